//! A real archive's root, more than a hundred packages behind.
