//! Recordings as anyone would read them: lines of JSON, with no code of the program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// One session's recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its file.
    pub path: PathBuf,
    /// Its lines.
    pub lines: Vec<Value>,
}

impl Recording {
    /// Reads a file. A last line that is still being written is left out.
    pub fn read(path: &Path) -> Result<Recording> {
        let text = std::fs::read_to_string(path)?;
        let whole = text
            .rfind('\n')
            .map_or("", |end| text.get(..end).unwrap_or(""));
        let lines = whole
            .lines()
            .map(|line| serde_json::from_str(line).context("a line is not JSON"))
            .collect::<Result<_>>()
            .with_context(|| path.display().to_string())?;
        Ok(Recording {
            path: path.to_owned(),
            lines,
        })
    }

    /// All in a folder, oldest first (their names sort by time).
    pub fn all(folder: &Path) -> Result<Vec<Recording>> {
        let mut files: Vec<PathBuf> = match std::fs::read_dir(folder) {
            Ok(entries) => entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        files.retain(|file| {
            file.extension()
                .is_some_and(|extension| extension == "jsonl")
        });
        files.sort();
        files.iter().map(|file| Recording::read(file)).collect()
    }

    /// The lines of one kind, such as `ask` or `outcome`.
    pub fn events<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines
            .iter()
            .filter(move |line| text(line, "event") == kind)
    }

    /// The statements that were asked for, with `allow` or `deny`.
    pub fn statements(&self) -> Vec<(String, String)> {
        self.events("ask")
            .filter(|ask| ask.get("text").is_some())
            .map(|ask| (text(ask, "text").to_owned(), text(ask, "ruling").to_owned()))
            .collect()
    }

    /// Whether it has its last line.
    pub fn is_complete(&self) -> bool {
        self.events("end").next().is_some()
    }

    /// The id of the session: the file's name.
    pub fn session(&self) -> String {
        self.path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line.get(key).and_then(Value::as_str).unwrap_or_default()
}
