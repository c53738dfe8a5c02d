"""What was measured, on disk: scores and paired outcomes, and what pairs come to. No torch."""
