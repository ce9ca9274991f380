"""Keys and sealed values: what makes a secret readable while it may be, and by nobody after."""
