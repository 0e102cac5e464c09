//! How a command fails in front of a person: one sentence of what went wrong, one of what to do.

use std::fmt;
use std::process::ExitCode;

use anstream::eprintln;
use anstyle::AnsiColor;

use crate::config::ConfigError;
use crate::control::client::ClientError;

/// An error with advice, and an exit status of its own where that says something.
#[derive(Debug)]
pub struct Failure {
    message: String,
    help: Option<String>,
    status: Option<u8>,
}

impl Failure {
    /// An error that exits as the command's errors usually do.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            status: None,
        }
    }

    /// Adds what to do about it.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Exits with `status` instead.
    pub fn status(self, status: u8) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints `error` and gives the status to exit with; `otherwise` is for errors without their own.
pub fn report(error: &anyhow::Error, otherwise: u8) -> ExitCode {
    let own = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Failure>()?.status);
    let status = ExitCode::from(own.unwrap_or(otherwise));
    // A report on the configuration is made for people already, over several lines.
    if let Some(ConfigError::Invalid(report)) = error.chain().find_map(|it| it.downcast_ref()) {
        eprintln!("{}", report.styled());
        return status;
    }
    let red = AnsiColor::Red.on_default().bold();
    let blue = AnsiColor::Cyan.on_default().bold();
    eprintln!("{red}error:{red:#} {}", sentence(error));
    if let Some(help) = advice(error) {
        eprintln!("{blue}help:{blue:#} {help}");
    }
    status
}

/// The whole chain in one sentence. A cause that its effect already tells in full is left out.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn advice(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.help.clone();
        }
        cause.downcast_ref::<ClientError>().and_then(client_advice)
    })
}

fn client_advice(error: &ClientError) -> Option<String> {
    match error {
        ClientError::NotRunning { .. } => Some(
            "start it with `gateway daemon --config FILE`; if it runs with another runtime \
             directory, give --socket or the --config that it runs with"
                .to_owned(),
        ),
        ClientError::NotPermitted { .. } => Some(
            "run this as root (sudo), or as a member of the group `gateway-operators`; for approvals and \
             grants `gateway-approvers` is enough"
                .to_owned(),
        ),
        ClientError::Silent => {
            Some("look at the daemon's own log: it may be stuck or stopped".to_owned())
        }
        ClientError::Refused { problem, .. } => problem.help.clone(),
        ClientError::Connect { .. }
        | ClientError::Http(_)
        | ClientError::Body(_)
        | ClientError::Answer(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_chain_reads_as_one_sentence() {
        let error = Err::<(), _>(std::io::Error::other("disk full"))
            .context("cannot write /run/gateway/attachments.json")
            .unwrap_err();
        assert_eq!(
            sentence(&error),
            "cannot write /run/gateway/attachments.json: disk full"
        );
    }

    #[test]
    fn a_cause_is_not_told_twice() {
        let error = Err::<(), _>(std::io::Error::other("disk full"))
            .context("cannot write: disk full")
            .unwrap_err();
        assert_eq!(sentence(&error), "cannot write: disk full");
    }

    #[test]
    fn advice_is_found_below_context() {
        let error = Err::<(), _>(Failure::new("no").help("try this"))
            .context("above")
            .unwrap_err();
        assert_eq!(advice(&error).as_deref(), Some("try this"));
    }
}
