"""The day plan: demand that people file for a day, and whether the house can carry it."""
