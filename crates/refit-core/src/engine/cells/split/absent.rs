//! Who does not have a title that policies name, where none requires it: nobody acts on that, and whoever counts asks.

use super::{Split, TitleCells};

impl Split<'_> {
    /// What the policies say of the absence of the title, in cells of their own, which nobody keeps.
    pub fn absent(&self) -> TitleCells {
        let mut cells = TitleCells::managed(true, 0, self.shelf);
        let apart = self.apart(&mut cells.numbers);
        self.fill_place(&self.place_of(None), &self.lacking(), &apart, None, &mut cells);
        cells
    }
}
