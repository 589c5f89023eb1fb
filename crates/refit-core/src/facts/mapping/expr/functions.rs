//! The functions of mappings: one table, which the reference shows too.

/// A function. Each may be written `lower(x)` or `x.lower()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// See [`TABLE`], as for all.
    Lower,
    /// To capital letters.
    Upper,
    /// Without blanks around it.
    Trim,
    /// To a list.
    Split,
    /// From a list.
    Join,
    /// Other text in its place.
    Replace,
    /// Whether one text is in another.
    Contains,
    /// Whether it begins so.
    StartsWith,
    /// Whether it ends so.
    EndsWith,
    /// Whether a regular expression matches.
    Matches,
    /// What a regular expression finds.
    Extract,
    /// What stands before a separator.
    Before,
    /// What stands after a separator.
    After,
    /// To a text.
    Text,
    /// To a whole number.
    Int,
    /// To a number.
    Double,
    /// To true or false.
    Bool,
    /// How long it is.
    Size,
    /// Whether it says anything.
    Known,
    /// The first that says anything.
    Coalesce,
    /// To a time.
    Time,
    /// To bytes.
    Bytes,
    /// The first of a list.
    First,
    /// The last of a list.
    Last,
}

impl Function {
    /// Whether it answers a question about a text or a list, and hands nothing of it on.
    pub(super) fn only_answers(self) -> bool {
        use Function::{Contains, EndsWith, Known, Matches, Size, StartsWith};
        matches!(self, Contains | EndsWith | Known | Matches | Size | StartsWith)
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What is written.
    pub name: &'static str,
    /// What it is.
    pub function: Function,
    /// How many arguments it takes, with what it is called on.
    pub least: usize,
    /// And at most.
    pub most: usize,
    /// How it is written.
    pub usage: &'static str,
    /// What it does.
    pub doc: &'static str,
}

const fn row(
    name: &'static str,
    function: Function,
    (least, most): (usize, usize),
    usage: &'static str,
    doc: &'static str,
) -> Row {
    Row { name, function, least, most, usage, doc }
}

/// All functions.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    row("lower", Function::Lower, (1, 1), "lower(x)", "In small letters."),
    row("upper", Function::Upper, (1, 1), "upper(x)", "In capital letters."),
    row("trim", Function::Trim, (1, 1), "trim(x)", "Without blanks around it."),
    row("split", Function::Split, (2, 2), "split(x, \",\")", "A list of the parts between separators."),
    row("join", Function::Join, (2, 2), "join(list, \" \")", "One text of the parts of a list; parts that say nothing are left out."),
    row("replace", Function::Replace, (3, 3), "replace(x, \"a\", \"b\")", "With another text in place of each occurrence."),
    row("contains", Function::Contains, (2, 2), "x.contains(\"a\")", "Whether a text is in it."),
    row("startsWith", Function::StartsWith, (2, 2), "x.startsWith(\"a\")", "Whether it begins so."),
    row("endsWith", Function::EndsWith, (2, 2), "x.endsWith(\"a\")", "Whether it ends so."),
    row("matches", Function::Matches, (2, 2), "x.matches(\"^a\")", "Whether a regular expression, a constant, matches a part of it."),
    row("extract", Function::Extract, (2, 2), "extract(x, \"v([0-9.]+)\")", "What the first group of a regular expression finds, or all that it matches; missing where it does not."),
    row("before", Function::Before, (2, 2), "before(x, \"@\")", "What stands before the first separator; all of it where there is none."),
    row("after", Function::After, (2, 2), "after(x, \"@\")", "What stands after the first separator; missing where there is none."),
    row("text", Function::Text, (1, 1), "text(x)", "As a text: `7` is `\"7\"`."),
    row("int", Function::Int, (1, 1), "int(x)", "As a whole number."),
    row("double", Function::Double, (1, 1), "double(x)", "As a number."),
    row("bool", Function::Bool, (1, 1), "bool(x)", "As true or false: true, yes, y, on and 1, or false, no, n, off and 0, in any letters."),
    row("size", Function::Size, (1, 1), "size(x)", "The number of characters of a text, of parts of a list, of keys of an object."),
    row("known", Function::Known, (1, 1), "known(x)", "Whether it says anything: it is not missing, null or an empty text."),
    row("coalesce", Function::Coalesce, (1, 16), "coalesce(x, y, \"z\")", "The first that says anything."),
    row("time", Function::Time, (1, 2), "time(x, \"%d/%m/%Y\")", "A time. Without a format RFC 3339 or a date; `unix`, `unix_ms` and `windows` are numbers since 1970 and 1601; else as `strftime` has it, in UTC where it has no zone. What means never is null."),
    row("bytes", Function::Bytes, (2, 2), "bytes(x, \"MiB\")", "A number of bytes, from one of B, kB, MB, GB, TB, KiB, MiB, GiB and TiB."),
    row("first", Function::First, (1, 1), "first(list)", "The first part of a list; missing where it is empty."),
    row("last", Function::Last, (1, 1), "last(list)", "The last part of a list; missing where it is empty."),
];

/// The line of a name. CEL's own `string` is `text` here too.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    let name = if name == "string" { "text" } else { name };
    TABLE.iter().find(|row| row.name == name)
}

/// Names that `did you mean` knows: functions and macros.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name).chain(["has", "exists", "all", "exists_one", "filter", "map"])
}

/// How many bytes a unit has.
pub(super) fn unit(name: &str) -> Option<i64> {
    Some(match name {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    })
}
