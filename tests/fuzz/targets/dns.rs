//! What a DNS message that was read is written as reads the same again, and queries are answered
//! within what their client takes. A crash becomes a test in
//! `gateway-user/core/src/protocols/dns/tests.rs`.
#![no_main]

use gateway_core::protocols::dns::query::{Query, Transport};
use gateway_core::protocols::dns::wire::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::read(bytes) {
        let again = Message::read(&message.write(usize::MAX));
        assert_eq!(again.as_ref(), Ok(&message));
    }
    match Query::read(bytes) {
        Ok(query) => {
            let to_server = Message::read(&query.to_server(1)).expect("our own query reads");
            assert_eq!(to_server.questions, std::slice::from_ref(&query.question));
            if let Some(found) = query.from_server(1, bytes) {
                let limit = query.limit(Transport::Udp);
                let answer = query.answer(&found).write(limit);
                assert!(answer.len() <= limit);
                Message::read(&answer).expect("our own answer reads");
            }
        }
        Err(rejected) => {
            if let Some(answer) = rejected.answer {
                Message::read(&answer).expect("our own answer reads");
            }
        }
    }
});
