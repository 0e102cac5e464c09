//! A server of names that knows what a test tells it, and logs what it is asked.

use std::net::UdpSocket;
use std::process::Command;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::process::Process;
use crate::programs::find;
use crate::sandbox::{Sandbox, free_port};
use crate::wait;

/// A running dnsmasq on 127.0.0.1 and `[::1]`. Dropping it ends it.
#[derive(Debug)]
pub struct Dnsmasq {
    process: Process,
    port: u16,
    // Held for its destructor: the folder is in use as long as the process.
    _sandbox: Sandbox,
}

impl Dnsmasq {
    /// Starts it with these lines of configuration, such as `host-record=db.internal,10.0.0.5`. It
    /// knows nothing else, and asks nobody.
    pub fn start(records: &str) -> Result<Dnsmasq> {
        let sandbox = Sandbox::new("dnsmasq")?;
        let port = free_port()?;
        let settings = sandbox.write(
            "dnsmasq.conf",
            &format!(
                "port={port}\nlisten-address=127.0.0.1,::1\nbind-interfaces\nno-resolv\nno-hosts\n\
                 no-daemon\nlog-queries\nlog-facility=-\nuser=root\npid-file=\nlocal=/#/\n{records}\n"
            ),
        )?;
        let mut command = Command::new(find("dnsmasq")?);
        command.arg("-C").arg(settings);
        let log = sandbox.join("dnsmasq.log");
        let mut process = Process::start("dnsmasq", &mut command, &log, Signal::SIGKILL)?;
        process.wait_ready(|| answers(port))?;
        Ok(Dnsmasq {
            process,
            port,
            _sandbox: sandbox,
        })
    }

    /// Where it answers, as `[dns] upstream` wants it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All that it has logged: its questions and answers.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until it was asked for `text`.
    pub fn wait_asked(&self, text: &str) -> Result<()> {
        wait::until(&format!("dnsmasq is asked for {text:?}"), || {
            Ok(self.log().contains(text).then_some(()))
        })
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(Signal::SIGKILL).map(drop)
    }
}

/// Whether something answers a question about the root.
fn answers(port: u16) -> Result<bool> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100)))?;
    socket.connect(("127.0.0.1", port))?;
    let question = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
    // Until it listens, sending or receiving fails.
    let asked = socket.send(question).is_ok();
    Ok(asked && socket.recv(&mut [0; 512]).is_ok())
}
