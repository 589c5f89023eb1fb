//! Figures by size of the fleet as a picture: both axes are logarithmic, so that what grows with devices is a line of slope one.

use std::fmt::Write as _;

/// What was measured of one fleet.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub devices: u32,
    /// Each by what it is, with its unit.
    pub values: Vec<(&'static str, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 7] = ["#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b8860b", "#444444", "#2aa198"];

/// The decades that hold all values.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let (least, most) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    if most <= 0.0 {
        return (0, 1);
    }
    let (from, to) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    (from, to.max(from + 1))
}

/// The picture.
pub fn svg(figures: &[Figures]) -> String {
    let (x_from, x_to) = decades(figures.iter().map(|one| f64::from(one.devices)));
    let (y_from, y_to) = decades(figures.iter().flat_map(|one| &one.values).map(|(_, value)| *value));
    let x = |value: f64| LEFT + (value.log10() - f64::from(x_from)) / f64::from(x_to - x_from) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| {
        HEIGHT - BOTTOM - (value.log10() - f64::from(y_from)) / f64::from(y_to - y_from) * (HEIGHT - TOP - BOTTOM)
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    for decade in x_from..=x_to {
        let at = x(10_f64.powi(decade));
        let _ = writeln!(
            text,
            "<path d=\"M{at:.1} {TOP} V{:.1}\" stroke=\"#dddddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0,
            10_f64.powi(decade)
        );
    }
    for decade in y_from..=y_to {
        let at = y(10_f64.powi(decade));
        let _ = writeln!(
            text,
            "<path d=\"M{LEFT} {at:.1} H{:.1}\" stroke=\"#dddddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0,
            10_f64.powi(decade)
        );
    }
    let _ = writeln!(
        text,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">devices</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 12.0
    );
    let names: Vec<&str> =
        figures.first().map(|one| one.values.iter().map(|(name, _)| *name).collect()).unwrap_or_default();
    let mut labels: Vec<(f64, &str, &str)> = Vec::new();
    for (name, colour) in names.into_iter().zip(COLOURS.iter().cycle()) {
        let points = figures.iter().filter_map(|one| {
            let (_, value) = one.values.iter().find(|(known, value)| *known == name && *value > 0.0)?;
            Some((x(f64::from(one.devices)), y(*value)))
        });
        let points: Vec<(f64, f64)> = points.collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for (x, y) in &points {
            let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        labels.extend(points.last().map(|(_, y)| (*y, name, *colour)));
    }
    // Names stand beside the ends of their lines, and not on each other.
    labels.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut above = f64::MIN;
    for (at, name, colour) in labels {
        above = at.max(above + 15.0);
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            WIDTH - RIGHT + 12.0,
            above + 4.0
        );
    }
    text + "</svg>\n"
}
