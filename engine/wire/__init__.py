"""What travels: between an engine and its clients, and between the server and a model's process."""
