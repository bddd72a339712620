"""The Label page: answers by keyboard, trainings with them, facts."""
