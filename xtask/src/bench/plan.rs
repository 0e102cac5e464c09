//! What is measured: the cells of the table, and the ways to the server.

use std::fmt;

use serde::Serialize;

/// A way from pgbench to PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Path {
    /// Nothing between.
    Direct,
    /// PgBouncer in session mode.
    PgBouncer,
    /// PgBouncer that uses a server connection once, as a gateway must: for connection set-up.
    PgBouncerFresh,
    /// The gateway with 20 rules, recording on.
    Gateway,
    /// The same as a workload whose results are masked.
    Masked,
}

impl Path {
    /// What it is called in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Path::Direct => "direct",
            Path::PgBouncer => "PgBouncer",
            Path::PgBouncerFresh => "PgBouncer, fresh",
            Path::Gateway => "gateway",
            Path::Masked => "gateway, masked",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What pgbench runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// One select by primary key.
    Select,
    /// The transaction like TPC-B's: seven statements.
    TpcB,
    /// Connect, log in, one statement, leave.
    Connect,
}

/// How statements are sent: pgbench's `-M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// The simple protocol.
    Simple,
    /// The extended protocol with prepared statements.
    Prepared,
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) mode: Mode,
    pub(crate) clients: u32,
    pub(crate) tls: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = match self.work {
            Work::Select => "select",
            Work::TpcB => "tpcb",
            Work::Connect => "connect",
        };
        let mode = match self.mode {
            Mode::Simple => "simple",
            Mode::Prepared => "prepared",
        };
        let tls = if self.tls { ", tls" } else { "" };
        write!(f, "{work} {mode}, {} clients{tls}", self.clients)
    }
}

/// All cells with or without TLS; a few of them when it is to be quick.
pub(crate) fn cells(quick: bool, tls: bool) -> impl Iterator<Item = Cell> {
    let counts: &[u32] = if quick { &[8] } else { &[1, 8, 32] };
    let mut cells = Vec::new();
    for work in [Work::Select, Work::TpcB] {
        for mode in [Mode::Simple, Mode::Prepared] {
            cells.extend(counts.iter().map(|clients| Cell {
                work,
                mode,
                clients: *clients,
                tls,
            }));
        }
    }
    // One after the other, and as many at once as keep both cores busy.
    for clients in [1, 8] {
        cells.push(Cell {
            work: Work::Connect,
            mode: Mode::Simple,
            clients,
            tls,
        });
    }
    cells.into_iter()
}
