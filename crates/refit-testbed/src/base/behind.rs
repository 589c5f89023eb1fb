//! The base root that is a real archive's, and far behind.

use super::{Recipe, mmdebstrap_options};
use crate::mirror::Mirror;

pub(super) fn recipe(mirror: &Mirror) -> Recipe {
    Recipe { name: "behind", options: mmdebstrap_options(mirror), sources: Vec::new(), finish: String::new() }
}
