"""What is predicted: exact laws at initialization and the bounds of the papers."""
