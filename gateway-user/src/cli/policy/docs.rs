//! `gateway policy docs`: the reference of facts, from the protocols' own descriptors.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use gateway_core::descriptor::Protocol;
use gateway_core::facts::{Attribute, Scope};
use gateway_core::policy::actor;
use gateway_core::protocols::reference::{reference, word};
use gateway_core::protocols::registry::PROTOCOLS;
use serde_json::json;

/// Arguments of `gateway policy docs`.
#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    /// Only this protocol
    #[arg(value_name = "PROTOCOL", value_parser = PROTOCOLS.map(|protocol| protocol.name))]
    protocol: Option<String>,
    /// Write one JSON object instead of Markdown
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DocsArgs) -> anyhow::Result<ExitCode> {
    let wanted = |it: &&&Protocol| args.protocol.as_ref().is_none_or(|name| it.name == name);
    let protocols: Vec<_> = PROTOCOLS.iter().filter(wanted).copied().collect();
    let mut out = io::stdout().lock();
    if args.json {
        let all: serde_json::Map<_, _> = protocols
            .iter()
            .map(|it| (it.name.to_owned(), for_machines(it)))
            .chain(
                args.protocol
                    .is_none()
                    .then(|| ("conditions".to_owned(), of_actors())),
            )
            .collect();
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let pages = protocols.iter().map(|protocol| {
        let parts = reference(protocol).join("\n\n");
        format!("## Facts of {}\n\n{parts}\n", protocol.name)
    });
    write!(out, "{}", pages.collect::<Vec<_>>().join("\n"))?;
    if args.protocol.is_none() {
        let facts = actor::reference();
        write!(out, "\n## Facts of who acts, in conditions\n\n{facts}\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_actors() -> serde_json::Value {
    let fact =
        |(name, ty, doc): (&str, &str, &str)| json!({ "name": name, "type": ty, "doc": doc });
    actor::FACTS.into_iter().map(fact).collect()
}

fn for_machines(protocol: &Protocol) -> serde_json::Value {
    let fact = |attribute: &Attribute| {
        json!({
            "name": attribute.name,
            "type": word(attribute.ty),
            "of": match attribute.scope {
                Scope::Connection => "connection",
                Scope::Moment => "moment",
                Scope::Action => "unit",
            },
            "values": attribute.values,
            "doc": attribute.doc,
        })
    };
    protocol.attributes.iter().map(fact).collect()
}
