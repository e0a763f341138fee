"""The engine process: owns the socket, watches corpora, keeps model workers. No torch here."""
