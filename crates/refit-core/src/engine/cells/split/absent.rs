//! Who does not have a title that policies name, where none requires it: nobody acts on that, and whoever counts asks.

use super::{Split, TitleCells};
use roaring::RoaringBitmap;

impl Split<'_> {
    /// What the policies say of the absence of the title, in cells of their own.
    pub fn absent(&self) -> TitleCells {
        let fleet = self.inputs.fleet;
        let members: Vec<RoaringBitmap> = self
            .members
            .iter()
            .map(|members| members.iter().filter_map(|member| fleet.number(member)).collect())
            .collect();
        let having = fleet.present(self.title).into_iter().map(|(_, _, holders)| holders);
        let absent = having.fold(fleet.numbers().clone(), |absent, holders| absent - holders);
        let mut cells = TitleCells::managed(true, 0, Vec::new());
        self.fill_place(&self.place_of(None), &absent, &members, None, &mut cells);
        cells
    }
}
