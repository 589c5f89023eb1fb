//! How much memory things take that are not one allocation.

use roaring::RoaringBitmap;
use smol_str::SmolStr;

/// Bytes of memory by what they are for, as many as were asked for: what an allocator needs besides is not in it.
pub type Footprint = Vec<(&'static str, usize)>;

/// What a bitmap has besides the numbers themselves for each 65,536 numbers of which it has any.
const CHUNK: usize = 32;

/// What a bitmap takes.
pub(super) fn bitmap(bitmap: &RoaringBitmap) -> usize {
    let known = bitmap.statistics();
    let numbers = known.n_bytes_array_containers + known.n_bytes_run_containers + known.n_bytes_bitset_containers;
    numbers as usize + known.n_containers as usize * CHUNK
}

/// What a hash table takes that has room for so many things of a size: it has one byte more for each, and keeps an eighth of its places
/// empty.
pub(super) fn table(capacity: usize, each: usize) -> usize {
    capacity * 8 / 7 * (each + 1)
}

/// What a text takes besides its place: short ones take nothing.
pub(super) fn text(text: &SmolStr) -> usize {
    if text.is_heap_allocated() { text.len() } else { 0 }
}
