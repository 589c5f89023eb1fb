//! Figures in columns.

use crate::terminal::{FAINT, paint};

/// A table: a column of names, then columns of figures, flush right. A figure of nothing is faint.
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<(String, Vec<u64>)>,
}

/// How many characters of a name are shown.
const NAME_MOST: usize = 44;

impl Table {
    /// A table with these columns of figures.
    pub fn new(heads: impl IntoIterator<Item = &'static str>) -> Table {
        Table { heads: heads.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, figures: impl IntoIterator<Item = u64>) {
        let name: String = name.into();
        let cut = match name.chars().count() > NAME_MOST {
            true => name.chars().take(NAME_MOST - 1).chain(['…']).collect(),
            false => name,
        };
        self.rows.push((cut, figures.into_iter().collect()));
    }

    /// The table as text, below `heading`.
    pub fn text(&self, heading: &str) -> String {
        let name = self.rows.iter().map(|(name, _)| name.chars().count() + 2).chain([heading.chars().count()]);
        let name = name.max().unwrap_or(0);
        let widths: Vec<usize> = self
            .heads
            .iter()
            .enumerate()
            .map(|(at, head)| {
                let figures = self.rows.iter().filter_map(|(_, figures)| figures.get(at));
                figures.map(|figure| figure.to_string().len()).chain([head.chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let padding = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.chars().count()));
        let mut text = format!("{}{}", paint(crate::terminal::HEADING, heading), padding(heading, name));
        for (head, width) in self.heads.iter().zip(&widths) {
            text += &format!("  {}{}", padding(head, *width), paint(FAINT, head));
        }
        text.push('\n');
        for (named, figures) in &self.rows {
            text += &format!("  {named}{}", padding(named, name.saturating_sub(2)));
            for (figure, width) in figures.iter().zip(&widths) {
                let written = figure.to_string();
                let padded = format!("{}{written}", padding(&written, *width));
                text += &format!("  {}", if *figure == 0 { paint(FAINT, padded) } else { padded });
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_below_their_heads() {
        let mut table = Table::new(["true", "unknown"]);
        table.row("Finance", [12, 3]);
        table.row("Research and development", [1_200, 40]);
        let text = anstream::adapter::strip_str(&table.text("department")).to_string();
        assert_eq!(
            text,
            "department                  true  unknown\n  Finance                     12        3\n  Research and development  1200       40\n"
        );
    }
}
