//! One module per package manager, one file per verb. Parsing and running are separate functions, so that the parsing is
//! tested on what the real programs printed.

pub mod apt;
