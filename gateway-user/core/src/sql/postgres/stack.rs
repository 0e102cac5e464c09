//! Where a text is read: on the caller's stack, or on one that holds the deepest tree there can be.
//!
//! Decoding a tree recurses with large frames, and a stack that overflows ends the whole process.
//! So no text may come near: a short one cannot nest far, and a longer one is handed to a thread
//! with a stack for whatever the grammar lets through. Which it is depends on the length alone,
//! not on an idea of how SQL can nest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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
    let idle = idle().pop();
    let reader = idle.or_else(Reader::start)?;
    let analysis = reader.read(text, session)?;
    idle_again(reader);
    analysis
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

/// Does `work` on `text` once, where the stack suffices: for what is done rarely, on a thread that ends
/// with it.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the size of the stack is a matter of reading, and no caller has one of this size"
)]
pub(super) fn once<T: Send>(text: &str, work: impl FnOnce() -> Option<T> + Send) -> Option<T> {
    // A panic in the library would be a bug of its own; here it means "not understood".
    let work = || catch_unwind(AssertUnwindSafe(work)).unwrap_or_default();
    if shallow(text.as_bytes()) {
        return work();
    }
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(DEEP);
        let reader = builder.name("gateway-sql".to_owned());
        reader.spawn_scoped(scope, work).ok()?.join().ok()?
    })
}

fn idle() -> std::sync::MutexGuard<'static, Vec<Reader>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn idle_again(reader: Reader) {
    idle().push(reader);
}

/// A thread with a stack of [`DEEP`]. It ends when this is dropped.
#[derive(Debug)]
struct Reader {
    texts: SyncSender<(Box<str>, Session)>,
    analyses: Receiver<Option<Analysis>>,
}

impl Reader {
    /// Nothing where the system gives no such thread: the text then counts as unreadable.
    #[expect(
        clippy::disallowed_types,
        reason = "the size of the stack is a matter of reading, and no caller has one of this size"
    )]
    fn start() -> Option<Self> {
        let (texts, received) = sync_channel::<(Box<str>, Session)>(1);
        let (send, analyses) = sync_channel(1);
        thread::Builder::new()
            .name("gateway-sql".to_owned())
            .stack_size(DEEP)
            .spawn(move || {
                for (text, session) in received {
                    let analysis = catch_unwind(|| read(&text, &session)).unwrap_or_default();
                    if send.send(analysis).is_err() {
                        return;
                    }
                }
            })
            .ok()?;
        Some(Self { texts, analyses })
    }

    /// What the thread reads; the outer nothing means that there is no such thread any more.
    fn read(&self, text: &str, session: &Session) -> Option<Option<Analysis>> {
        self.texts.send((text.into(), session.clone())).ok()?;
        self.analyses.recv().ok()
    }
}
