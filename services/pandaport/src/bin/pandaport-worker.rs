//! A program of Pandaport.

fn main() {}
