"""Floor 3: one file and one public function each."""
