"""The life of real machines in OpenStack, by the official SDK."""
