//! A detector outside the gateway is asked, and what it does not answer for is masked whole.

use std::path::Path;
use std::process::{Child, Command};

use gateway_tests::policy_file::DAEMON_USER;
use gateway_tests::programs::python;
use gateway_tests::sandbox::{Sandbox, give_to};
use gateway_tests::wait;

use super::policy;
use crate::stage::{agent, gateway, sql};

/// A detector as a process, ended with the test.
struct Detector(Child);

impl Drop for Detector {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn detector(socket: &Path, behaviour: &str) -> Detector {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/clients/detector.py");
    let mut command = Command::new(python().unwrap());
    command.args([file.as_ref(), socket.as_os_str(), behaviour.as_ref()]);
    let child = command.spawn().unwrap();
    wait::until("the detector listens", || {
        Ok(std::os::unix::net::UnixStream::connect(socket).ok())
    })
    .unwrap();
    Detector(child)
}

const STATEMENT: &str =
    "SELECT 'Ada is here', 'nobody', ARRAY['x Ada', NULL], '{\"k\": \"Ada\"}'::json";

/// What an agent sees with a detector that behaves so, and what the log says of it.
fn seen(behaviour: Option<&str>) -> (String, String) {
    let sandbox = Sandbox::new("detector").unwrap();
    give_to(sandbox.path(), DAEMON_USER).unwrap();
    let socket = sandbox.join("names.sock");
    let _running = behaviour.map(|behaviour| detector(&socket, behaviour));
    let mask = format!(
        "[[detector]]\nname = \"names\"\nsocket = {socket:?}\ndeadline = \"500ms\"\n\n\
         [[mask]]\nname = \"net\"\nresource = \"shop\"\ndetector = [\"email\", \"names\"]"
    );
    let gateway = gateway(&policy(&mask));
    let shown = agent(&gateway, &sql(STATEMENT));
    let log = gateway.enforcement().unwrap();
    let failed = log.iter().find(|it| it["event"] == "detector_failed");
    let why = failed.map(|it| it["reason"].as_str().unwrap().to_owned());
    (shown, why.unwrap_or_default())
}

#[test]
fn what_it_finds_is_masked() {
    let (shown, why) = seen(Some("fair"));
    assert_eq!(
        shown,
        "**** is here|nobody|{\"x ****\",NULL}|{\"k\": \"****\"}\n"
    );
    assert_eq!(why, "");
}

#[test]
fn what_it_does_not_answer_for_is_masked_whole() {
    let whole = "****|****|{****,NULL}|{\"****\": \"****\"}\n";
    for (behaviour, reason) in [
        (None, "it cannot be reached"),
        (Some("hang"), "it did not answer in time"),
        (Some("slow"), "it did not answer in time"),
        (Some("die"), "it has ended its connection"),
        (Some("garbage"), "no JSON object"),
        (Some("short"), "it answers for"),
        (Some("outside"), "outside of a text"),
    ] {
        let (shown, why) = seen(behaviour);
        assert_eq!(shown, whole, "{behaviour:?}");
        assert!(why.contains(reason), "{behaviour:?}: {why}");
    }
}
