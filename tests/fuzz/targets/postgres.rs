//! The laws of every protocol on PostgreSQL conversations that a fuzzer makes up.
//!
//! The input is a program: each step is one byte that says who speaks and what, followed by what
//! that needs. Whole messages come from a dictionary, so that the fuzzer gets deep into the state;
//! raw bytes come in between, so that it gets at the framing. A crash becomes a conversation in
//! `gateway-user/core/src/protocols/postgres/tests`.
#![no_main]

use std::sync::{Arc, LazyLock};

use gateway_core::conformance::{
    Said, chunking_changes_nothing, engine, evidence_is_complete, nothing_passes_without_permit,
    run,
};
use gateway_core::policy::engine::Engine;
use gateway_core::protocols::postgres::{PROTOCOL, Postgres};
use gateway_core::protocols::{ClientTls, CodecOptions, Side};
use libfuzzer_sys::fuzz_target;

const RULES: &str = r#"
[[rule]]
name = "work"
action = "allow"
match = { kind = ["read", "write", "session", "transaction", "code"] }
[[rule]]
name = "no-secrets"
action = "deny"
match = { table = ["secrets"] }
[[rule]]
name = "no-x"
action = "deny"
match = { table = ["x.*"] }
"#;

static WORKING: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(&PROTOCOL, RULES));
static NOTHING: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(&PROTOCOL, "rule = []"));

const STATEMENTS: [&str; 18] = [
    "SELECT 1",
    "SELECT * FROM secrets",
    "DELETE FROM orders",
    "BEGIN; UPDATE orders SET a = 1; COMMIT",
    "PREPARE a AS SELECT 1",
    "PREPARE a AS SELECT * FROM secrets",
    "EXECUTE a",
    "DEALLOCATE ALL",
    "DECLARE a CURSOR FOR SELECT 1",
    "FETCH a",
    "CLOSE a",
    "SET search_path = x",
    "RESET search_path",
    "BEGIN",
    "SET ROLE x",
    "SET standard_conforming_strings = off",
    "COPY orders FROM STDIN",
    "",
];

fn message(tag: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[tag], length.to_be_bytes().as_slice(), &body].concat()
}

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0app\0\0";
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), body].concat()
}

fn welcome() -> Vec<u8> {
    [
        message(b'R', &[&[0; 4]]),
        message(b'S', &[b"standard_conforming_strings\0on\0"]),
        message(b'S', &[b"client_encoding\0UTF8\0"]),
        message(b'Z', &[b"I"]),
        path(b"public").concat(),
    ]
    .concat()
}

/// The answer to the gateway's question for the search path, without the description, whose head
/// alone would let a client go on that waits for it.
fn path(schema: &[u8]) -> [Vec<u8>; 3] {
    let length = u32::try_from(schema.len()).unwrap_or(u32::MAX);
    [
        message(b'D', &[&[0, 1], &length.to_be_bytes(), schema]),
        message(b'C', &[b"SELECT 1\0"]),
        message(b'Z', &[b"I"]),
    ]
}

/// The next byte of the program as a number.
fn number(input: &mut &[u8]) -> usize {
    let (&byte, rest) = input.split_first().unwrap_or((&0, &[]));
    *input = rest;
    usize::from(byte)
}

/// One step of the program; none at its end. Messages of one step are said one after the other:
/// between them a client that waits for one may go on.
fn step(input: &mut &[u8]) -> Option<Vec<Said>> {
    let (&op, rest) = input.split_first()?;
    *input = rest;
    let name: &[u8] = if op & 0x40 == 0 { b"\0" } else { b"a\0" };
    let client = |bytes| Some(vec![(Side::Client, bytes)]);
    let server = |bytes| Some(vec![(Side::Server, bytes)]);
    match op % 32 {
        0..=2 => client(message(
            b'Q',
            &[
                STATEMENTS[number(input) % STATEMENTS.len()].as_bytes(),
                b"\0",
            ],
        )),
        3 | 4 => client(message(
            b'P',
            &[
                name,
                STATEMENTS[number(input) % STATEMENTS.len()].as_bytes(),
                b"\0\0\0",
            ],
        )),
        5 => client(message(
            b'B',
            &[name, if op & 0x80 == 0 { b"\0" } else { b"a\0" }, &[0; 6]],
        )),
        6 => client(message(b'E', &[name, &[0; 4]])),
        7 => client(message(b'D', &[b"S", name])),
        8 => client(message(
            b'C',
            &[if op & 0x80 == 0 { b"S" } else { b"P" }, name],
        )),
        9 | 10 => client(message(b'S', &[])),
        11 => client(message(b'H', &[])),
        12 => client(message(b'd', &[b"1\n"])),
        13 => client(message(b'c', &[])),
        14 => client(message(b'F', &[&[0, 0, 3, 184], &[0; 6]])),
        15 => client(message(b'X', &[])),
        16 => server(message(b'1', &[])),
        17 => server(message(b'2', &[])),
        18 => server(message(b'3', &[])),
        19 => server(message(b'D', &[&[0, 1, 0, 0, 0, 1, b'x']])),
        20 => server(message(b'C', &[b"UPDATE 3\0"])),
        21 | 22 => server(message(b'Z', &[[b"I", b"T", b"E"][number(input) % 3]])),
        23 => server(message(b'E', &[b"SERROR\0VERROR\0C42601\0Mno\0\0"])),
        24 => server(message(b'G', &[&[0; 3]])),
        25 => server(message(b's', &[])),
        26 => server(message(b'S', &[b"client_encoding\0SJIS\0"])),
        27 => server(message(b'n', &[])),
        28 => {
            let answer = path([b"public".as_slice(), b"x", b"\xff"][number(input) % 3]);
            Some(answer.map(|bytes| (Side::Server, bytes)).into())
        }
        29 => server(message(b'S', &[b"search_path\0x\0"])),
        _ => {
            let length = number(input);
            let (bytes, rest) = input.split_at(length.min(input.len()));
            *input = rest;
            let side = if op & 0x40 == 0 {
                Side::Client
            } else {
                Side::Server
            };
            Some(vec![(side, bytes.to_vec())])
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let (&how, mut program) = input.split_first().unwrap_or((&0, &[]));
    let mut said: Vec<Said> = Vec::new();
    if how & 1 == 0 {
        said.extend([(Side::Client, startup()), (Side::Server, welcome())]);
    }
    while let Some(sayings) = step(&mut program) {
        said.extend(sayings);
    }
    let (postgres, options) = (
        Postgres::default(),
        CodecOptions {
            client_tls: ClientTls::Accept,
            login: None,
            entropy: [7; 32],
            salt: [9; 16],
        },
    );
    let size = usize::from(how >> 4) + 1;
    chunking_changes_nothing(&postgres, &options, &WORKING, &said, |_| size);
    nothing_passes_without_permit(&postgres, &options, &NOTHING, &said);
    let trace = run(&postgres, &options, &WORKING, &said, |rest| rest);
    evidence_is_complete(&trace);
    // Raw bytes may hold the word where it is data; the dictionary has it only where it is a table.
    let holds = |bytes: &[u8]| bytes.windows(7).any(|window| window == b"secrets");
    assert!(
        holds(input) || !holds(&trace.to_server),
        "a forbidden statement reached the server"
    );
});
