//! Where a text is read: on the caller's stack, or on one that holds the deepest tree there can be.
//!
//! Decoding a tree recurses with large frames, and a stack that overflows ends the whole process.
//! So no text may come near: a short one cannot nest far, and a longer one is handed to a thread
//! with a stack for whatever the grammar lets through. Which it is depends on the length alone,
//! not on an idea of how SQL can nest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::unit::Analysis;
use super::{Session, read};

/// Longest text that is read on the caller's stack, in words.
///
/// A word makes one node that others nest in, or less; a node takes 3.6 KB of stack in a build
/// that optimises, and 45 KB in one that does not: 3 MB at most, of the 16 MiB that callers have.
pub(super) const SHALLOW: usize = if cfg!(debug_assertions) { 64 } else { 512 };

/// Size of the stack for longer texts. The grammar's library refuses a tree of more than 10,000
/// messages in messages, two for each node: 18 MB, and 225 MB in a build that does not optimise.
/// Memory is taken by what is used of it, not by its size.
pub(super) const DEEP: usize = if cfg!(debug_assertions) {
    1 << 30
} else {
    128 << 20
};

/// Threads that wait for a text. There never are more than callers at one time; they are kept,
/// because the grammar's library leaves a little behind in a process for each thread it ran on.
static IDLE: Mutex<Vec<Reader>> = Mutex::new(Vec::new());

/// Reads `text` where the stack suffices.
pub(super) fn read_safely(text: &str, session: &Session) -> Option<Analysis> {
    if shallow(text.as_bytes()) {
        return read(text, session);
    }
    let (text, session): (Box<str>, Session) = (text.into(), session.clone());
    deep(move || read(&text, &session))
}

/// Whether a text has so few words that it cannot nest far. A word here is a run of letters and
/// digits or one character of another kind, so a token of the grammar is a word or several.
pub(super) fn shallow(text: &[u8]) -> bool {
    let mut words = 0;
    let mut within = false;
    for byte in text {
        let letter = byte.is_ascii_alphanumeric() || *byte >= 0x80 || *byte == b'_';
        if !(byte.is_ascii_whitespace() || (letter && within)) {
            words += 1;
            if words > SHALLOW {
                return false;
            }
        }
        within = letter;
    }
    true
}

/// Does `work` on `text` where the stack suffices.
pub(super) fn safely<T: Send + 'static>(
    text: &str,
    work: impl FnOnce(&str) -> Option<T> + Send + 'static,
) -> Option<T> {
    if shallow(text.as_bytes()) {
        return catch_unwind(AssertUnwindSafe(|| work(text))).unwrap_or_default();
    }
    let text: Box<str> = text.into();
    deep(move || work(&text))
}

/// Does `work` on a stack that suffices for any text. A panic in the library would be a bug of its own; here
/// it means "not understood".
pub(super) fn deep<T: Send + 'static>(
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    let idle = idle().pop();
    let reader = idle.or_else(Reader::start)?;
    let (send, result) = sync_channel(1);
    let job = move || {
        // Whoever waits for it may be gone only with the whole process.
        let _gone = send.send(catch_unwind(AssertUnwindSafe(work)).unwrap_or_default());
    };
    reader.jobs.send(Box::new(job)).ok()?;
    let result = result.recv().ok()?;
    idle_again(reader);
    result
}

fn idle() -> std::sync::MutexGuard<'static, Vec<Reader>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn idle_again(reader: Reader) {
    idle().push(reader);
}

/// What a thread is to do; it does not panic.
type Job = Box<dyn FnOnce() + Send>;

/// A thread with a stack of [`DEEP`]. It ends when this is dropped.
#[derive(Debug)]
struct Reader {
    jobs: SyncSender<Job>,
}

impl Reader {
    /// Nothing where the system gives no such thread: the text then counts as unreadable.
    #[expect(
        clippy::disallowed_types,
        reason = "the size of the stack is a matter of reading, and no caller has one of this size"
    )]
    fn start() -> Option<Self> {
        let (jobs, received) = sync_channel::<Job>(1);
        thread::Builder::new()
            .name("gateway-sql".to_owned())
            .stack_size(DEEP)
            .spawn(move || received.into_iter().for_each(|job| job()))
            .ok()?;
        Some(Self { jobs })
    }
}
