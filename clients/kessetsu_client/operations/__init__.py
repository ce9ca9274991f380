"""What a member can ask of the hub, each operation written once for both clients."""
