"""The Explore page: samples, walks between latents, completion of pictures."""
