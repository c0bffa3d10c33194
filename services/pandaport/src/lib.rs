//! All the programs of Pandaport.
