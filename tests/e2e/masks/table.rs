//! The files in `attempts/`, read: what is written there is what is tried, and how it must end.
//!
//! A row begins with `-- NAME: OUTCOME` and has one statement or `\message` on each line; lines that are
//! indented go on with the one before. `-- NAME: OUTCOME, OUTCOME` has its own outcome where masks let
//! predicates pass. Behind it in parentheses: `own`, it is tried in a database of its own, for it changes
//! what is there; `simple`, by the simple protocol only; `since 17`, servers before that version do not know
//! it. `--   shows: TEXT` is what tells a value, where none is there to be seen itself. `:database` and `:port` are where it is tried. `-- # TEXT` is a heading.

/// How a row ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As without the gateway, but for values: none is told.
    Masked,
    /// A statement is refused, and none is told.
    Refused,
    /// None is told, however it ends.
    Closed,
    /// It tells what the mask lets be asked.
    Oracle,
    /// It tells a value, or something of it: known, and not the business of masks.
    Open,
    /// As without the gateway.
    True,
}

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// By the simple protocol.
    Simple,
    /// By the extended protocol, results as texts.
    Text,
    /// By the extended protocol, results in binary.
    Binary,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The heading and the name.
    pub(crate) name: String,
    /// Where predicates over masked columns are refused, and where they pass.
    pub(crate) outcomes: [Outcome; 2],
    pub(crate) modes: Vec<Mode>,
    /// Whether it needs a database of its own.
    pub(crate) is_own: bool,
    /// The first major version of the server that knows all of it.
    pub(crate) since: u32,
    /// Texts that tell a value.
    pub(crate) shows: Vec<String>,
    pub(crate) steps: Vec<String>,
}

impl Row {
    /// Whether a server of this major version knows what is tried.
    pub(crate) fn is_known_to(&self, version: u32) -> bool {
        self.since <= version
    }
}

const FILES: [&str; 13] = [
    include_str!("attempts/texts.sql"),
    include_str!("attempts/queries.sql"),
    include_str!("attempts/functions.sql"),
    include_str!("attempts/asked.sql"),
    include_str!("attempts/kinds.sql"),
    include_str!("attempts/copies.sql"),
    include_str!("attempts/objects.sql"),
    include_str!("attempts/redefined.sql"),
    include_str!("attempts/changes.sql"),
    include_str!("attempts/errors.sql"),
    include_str!("attempts/wire.sql"),
    include_str!("attempts/newer.sql"),
    include_str!("attempts/fair.sql"),
];

/// All rows, or with `ATTEMPTS=TEXT` those whose heading and name have this.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut heading = "";
    for line in FILES.into_iter().flat_map(str::lines) {
        if let Some(text) = line.strip_prefix("-- # ") {
            heading = text;
        } else if let Some(text) = line.strip_prefix("--   shows: ") {
            rows.last_mut().unwrap().shows.push(text.to_owned());
        } else if let Some(text) = line.strip_prefix("-- ") {
            rows.push(begun(heading, text));
        } else if line.starts_with(' ') {
            let step = rows.last_mut().unwrap().steps.last_mut().unwrap();
            step.push('\n');
            step.push_str(line);
        } else if !line.is_empty() {
            rows.last_mut().unwrap().steps.push(line.to_owned());
        }
    }
    for row in &mut rows {
        let has_messages = row.steps.iter().any(|step| step.starts_with('\\'));
        if has_messages || heading_is_of_wire(&row.name) {
            row.modes = vec![Mode::Simple];
        }
    }
    if let Ok(text) = std::env::var("ATTEMPTS") {
        rows.retain(|row| row.name.contains(&text));
    }
    rows
}

/// Several statements in one text are for the simple protocol.
fn heading_is_of_wire(name: &str) -> bool {
    name.contains("several in one text")
}

fn begun(heading: &str, text: &str) -> Row {
    let (name, rest) = text.rsplit_once(": ").unwrap_or_else(|| panic!("{text}"));
    let (outcomes, options) = rest.split_once(" (").unwrap_or((rest, ""));
    let options: Vec<&str> = options.trim_end_matches(')').split(", ").collect();
    let has = |option: &str| options.contains(&option);
    let mut since = options.iter().filter_map(|it| it.strip_prefix("since "));
    let (first, second) = outcomes.split_once(", ").unwrap_or((outcomes, outcomes));
    let modes = match (has("simple"), has("own")) {
        (true, _) => vec![Mode::Simple],
        (false, true) => vec![Mode::Simple, Mode::Binary],
        (false, false) => vec![Mode::Simple, Mode::Text, Mode::Binary],
    };
    Row {
        name: format!("{heading}: {name}"),
        outcomes: [outcome(first), outcome(second)],
        modes,
        is_own: has("own"),
        since: since.next().map_or(0, |version| version.parse().unwrap()),
        shows: Vec::new(),
        steps: Vec::new(),
    }
}

fn outcome(word: &str) -> Outcome {
    match word {
        "masked" => Outcome::Masked,
        "refused" => Outcome::Refused,
        "closed" => Outcome::Closed,
        "oracle" => Outcome::Oracle,
        "open" => Outcome::Open,
        "true" => Outcome::True,
        other => panic!("{other} is no outcome"),
    }
}
