"""Studies: one question answered by many trainings, scored on images left out of them."""
