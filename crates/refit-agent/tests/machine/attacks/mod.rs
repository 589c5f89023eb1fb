//! A stolen server signs whatever it likes with its own key. Each attack is refused, and each is reported: to the server, which
//! may have been mended by then, and to the system's log, which it can't reach.

mod brake;
mod documents;
mod people;
mod time;
mod tough;
mod transactions;
