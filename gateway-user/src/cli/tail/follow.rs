//! `Follower`: the lines of a file that grows, is cut, or is moved away and made anew.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How much of the file's end is read at first when the last lines are looked for.
const FIRST_WINDOW: u64 = 256 * 1024;

/// Reads a growing file by whole lines.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    file: File,
    /// Up to here everything has been read.
    position: u64,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl Follower {
    /// Opens the file at its beginning.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path)?,
            position: 0,
            partial: Vec::new(),
        })
    }

    /// The last `count` lines that are wanted; afterwards the file has been read to its end.
    pub(super) fn last(
        &mut self,
        count: usize,
        wants: impl Fn(&str) -> bool,
    ) -> io::Result<Vec<String>> {
        let end = self.file.metadata()?.len();
        let mut window = FIRST_WINDOW;
        loop {
            let start = end.saturating_sub(window);
            self.position = start;
            self.partial.clear();
            let mut lines = self.read_to(end)?;
            if start > 0 && !lines.is_empty() {
                // Most likely the end of a line that began before the window.
                lines.remove(0);
            }
            lines.retain(|line| wants(line));
            if start == 0 || lines.len() >= count {
                let surplus = lines.len().saturating_sub(count);
                return Ok(lines.split_off(surplus));
            }
            window = window.saturating_mul(4);
        }
    }

    /// The lines that came since. When the file was replaced, the rest of the old one comes first
    /// and the new one with the next call.
    pub(super) fn grown(&mut self) -> io::Result<Vec<String>> {
        let length = self.file.metadata()?.len();
        if length < self.position {
            // Cut in place, as logrotate's copytruncate does.
            self.position = 0;
            self.partial.clear();
        }
        let lines = self.read_to(length)?;
        if lines.is_empty() && self.was_replaced()? {
            self.file = File::open(&self.path)?;
            self.position = 0;
            self.partial.clear();
            let length = self.file.metadata()?.len();
            return self.read_to(length);
        }
        Ok(lines)
    }

    fn was_replaced(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(theirs) => Ok((ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino())),
            // Moved away, and the daemon has not made a new one yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read_to(&mut self, end: u64) -> io::Result<Vec<String>> {
        self.file.seek(SeekFrom::Start(self.position))?;
        let length = end.saturating_sub(self.position);
        let read = (&self.file).take(length).read_to_end(&mut self.partial)?;
        self.position += u64::try_from(read).unwrap_or(length);
        let Some(whole) = self.partial.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.partial.split_off(whole + 1);
        let lines = std::mem::replace(&mut self.partial, rest);
        Ok(String::from_utf8_lossy(&lines)
            .lines()
            .map(str::to_owned)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn follows_growth_rotation_and_truncation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        append(&path, "one\ntwo\nthr");
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(follower.last(1, |_| true).unwrap(), ["two"]);
        assert!(follower.grown().unwrap().is_empty());
        append(&path, "ee\n");
        assert_eq!(follower.grown().unwrap(), ["three"]);

        append(&path, "four\n");
        fs::rename(&path, directory.path().join("log.1")).unwrap();
        append(&path, "five\n");
        assert_eq!(follower.grown().unwrap(), ["four"]);
        assert_eq!(follower.grown().unwrap(), ["five"]);

        File::create(&path).unwrap();
        append(&path, "6\n");
        assert_eq!(follower.grown().unwrap(), ["6"]);
    }

    #[test]
    fn finds_the_last_lines_of_a_long_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let text: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        append(&path, &text);
        let mut follower = Follower::open(&path).unwrap();
        let last = follower.last(2, |line| line.ends_with("00")).unwrap();
        assert_eq!(last, ["line 99800", "line 99900"]);
        let early = follower.last(1, |line| line == "line 3").unwrap();
        assert_eq!(early, ["line 3"]);
        assert!(follower.grown().unwrap().is_empty());
    }
}
