"""What the operator's commands do, without a word about how they are typed or shown."""
