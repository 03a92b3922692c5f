//! Tables and the types of their columns; the built-in table `events`.
