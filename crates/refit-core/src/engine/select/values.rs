//! The devices by what a field of theirs is: for those who count.

use super::{Selection, Sets};
use crate::{facts::FieldRef, facts::Value, policy::expr::Expr};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

impl Selection<'_> {
    /// The devices by the value that counts of a field, most devices first, those of which it is not known under `None`. What nobody has
    /// is not in it.
    pub fn values(&mut self, field: &FieldRef) -> Vec<(Option<Value>, RoaringBitmap)> {
        self.read([field]);
        let Some(column) = self.columns.get(field) else { return vec![(None, self.fleet.numbers().clone())] };
        let mut by_code: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for device in self.fleet.numbers() {
            by_code.entry(column.code(device)).or_default().push(device);
        }
        let by_code = by_code.into_iter();
        let mut values: Vec<(Option<Value>, RoaringBitmap)> = by_code
            .map(|(code, devices)| {
                (column.value(code).cloned(), RoaringBitmap::from_sorted_iter(devices).unwrap_or_default())
            })
            .collect();
        values.sort_by_key(|(value, devices)| {
            (std::cmp::Reverse(devices.len()), value.as_ref().map(ToString::to_string))
        });
        values
    }

    /// Of the devices on which a condition is unknown, those that lack each of the fields that it names, in the order of the text.
    pub fn lacking(&mut self, condition: &Expr, found: &Sets) -> Vec<(FieldRef, RoaringBitmap)> {
        let mut lacking = Vec::new();
        for field in condition.fields() {
            let unknown = self.values(field).into_iter().find(|(value, _)| value.is_none());
            let unknown = unknown.map(|(_, devices)| devices).unwrap_or_default() & &found.unknown;
            if !unknown.is_empty() {
                lacking.push((field.clone(), unknown));
            }
        }
        lacking
    }
}
