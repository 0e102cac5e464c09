//! Whether the names in a text are the same names to the server as they are here.
//!
//! The server cuts a name at 63 bytes of the database's encoding, the grammar here at 63 bytes of UTF-8. And
//! where the database has another encoding, two letters may become one on the way, and letters that are not ASCII
//! be made small. Names by which statements are traced must be one here exactly where they are one there.

use pg_query::protobuf::{ScanToken, Token};

use crate::sql::postgres::{Encoding, Session, Strings};

/// A name is cut where it has so many bytes, whatever the encoding (`NAMEDATALEN`).
const CUT: usize = 63;

/// Whether a text has no name that the server may read otherwise.
pub(super) fn are_certain(text: &str, session: &Session) -> bool {
    let is_utf8 = session.database == Encoding::Utf8;
    let bytes = text.as_bytes();
    // `U&"…"` has letters by their numbers.
    let has_numbers = || bytes.windows(3).any(|it| it.eq_ignore_ascii_case(b"u&\""));
    if is_utf8 && bytes.len() < CUT || bytes.is_ascii() && !has_numbers() {
        return true;
    }
    if session.strings != Strings::Standard && text.contains('\\') {
        // Where strings end is told otherwise.
        return false;
    }
    let Ok(scanned) = pg_query::scan(text) else {
        return false;
    };
    scanned
        .tokens
        .iter()
        .all(|it| is_certain(bytes, it, is_utf8))
}

fn is_certain(text: &[u8], token: &ScanToken, is_utf8: bool) -> bool {
    let place = |at: i32| usize::try_from(at).ok();
    let (Some(start), Some(end)) = (place(token.start), place(token.end)) else {
        return false;
    };
    let Some(written) = text.get(start..end) else {
        return false;
    };
    let is_long = written.len() >= CUT;
    match Token::try_from(token.token) {
        Ok(Token::Uident) => is_utf8 && !is_long,
        Ok(Token::Ident) => written.is_ascii() || is_utf8 && !is_long,
        // Names may be within, and are cut there as well.
        Ok(Token::Sconst) => is_utf8 || written.is_ascii() || !written.starts_with(b"$"),
        Ok(Token::Do) => is_utf8,
        Ok(_) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, utf8: bool, other: bool) {
        let session = Session::default();
        assert_eq!(are_certain(text, &session), utf8, "{text}");
        let session = Session {
            database: Encoding::Uncertain,
            ..session
        };
        assert_eq!(are_certain(text, &session), other, "{text}");
    }

    #[test]
    fn names_that_the_server_may_read_otherwise() {
        let long = "é".repeat(40);
        check(&format!("SELECT 1 AS {}", "e".repeat(70)), true, true);
        check("SELECT 1 AS é", true, false);
        check("SELECT 1 AS \"é\"", true, false);
        check("SELECT 1 AS u&\"\\00E9\"", true, false);
        check("SELECT 'é'", true, true);
        check("SELECT $$é$$", true, false);
        check("DO 'SELECT \"é\"'", true, false);
        check(&format!("SELECT '{long}' AS a -- {long}"), true, true);
        check(&format!("SELECT 1 AS \"{long}\""), false, false);
        check(&format!("SELECT {long}a"), false, false);
        let numbers = "\\00E9".repeat(40);
        check(&format!("SELECT 1 AS U&\"{numbers}\""), false, false);
        check(&format!("SELECT 'é' AS U&\"{numbers}"), false, false);
        let session = Session {
            strings: Strings::Escaping,
            ..Session::default()
        };
        assert!(!are_certain(&format!("SELECT '\\' AS {long}'"), &session));
    }
}
