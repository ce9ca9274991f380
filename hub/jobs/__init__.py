"""What runs in the background, and when: reports by queue, and three beats that keep the promises."""
