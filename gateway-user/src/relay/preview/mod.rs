//! How much a held PostgreSQL statement would touch, asked of the server for those who decide.
//!
//! [`Previewer`] opens a connection of its own, by the way and with the checks of the session's, as the user
//! that the resource names for this. In a read-only transaction it has the server explain the statement,
//! which runs nothing of it, and where that is wanted counts what an `UPDATE` or `DELETE` selects. `checks`
//! sees to it that neither runs code of anybody's, `plan` reads the server's estimate. Whatever fails is said in the preview; nothing waits for it, and nothing is decided by it.

mod checks;
mod plan;

use std::time::Duration;

use bytes::Bytes;
use gateway_core::duration;
use gateway_core::event::Value;
use gateway_core::held::{HeldAction, Parameter, ParameterValue};
use gateway_core::preview::Preview;
use gateway_core::protocols::postgres::{self, shown};
use gateway_core::sql::postgres::probe::{Probe, Selected, probe};
use tokio::sync::Semaphore;

use self::checks::{Meant, QUESTION, meant};
use super::client::{Account, Bound, Client, ClientError, Limits};
use super::dial::Server;
use crate::config::preview::Settings;

/// So many previews are made at a time.
const AT_ONCE: usize = 8;
/// To log in, and for what is asked beside the two questions that have a limit of their own.
const BESIDE: Duration = Duration::from_secs(10);

/// An `EXPLAIN` of many partitions is large.
const LIMITS: Limits = Limits {
    message: 8 << 20,
    rows: 1000,
    bytes: 64 << 20,
};

/// The number of the type `text`.
const TEXT: u32 = 25;
/// SQLSTATE `insufficient_privilege`.
const NO_PRIVILEGE: &str = "42501";
/// SQLSTATE `query_canceled`, as by a timeout.
const CANCELED: &str = "57014";

/// Makes previews, a few at a time.
#[derive(Debug)]
pub struct Previewer {
    turns: Semaphore,
}

impl Default for Previewer {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl Previewer {
    /// Makes one. Never fails: what is missing is said in it. It takes as long as a few questions to the
    /// server.
    pub async fn look(&self, server: Server, settings: &Settings, action: HeldAction) -> Preview {
        let Ok(_turn) = self.turns.try_acquire() else {
            return Preview::unavailable("too many are being made");
        };
        // Others on this thread need not wait for the grammar.
        let read = tokio::task::spawn_blocking(move || Question::of(&action));
        let question = match read.await {
            Ok(Ok(question)) => question,
            Ok(Err(reason)) => return Preview::unavailable(reason),
            Err(_panicked) => return Preview::unavailable("the statement cannot be read"),
        };
        let whole = BESIDE + settings.timeout.saturating_mul(2);
        match tokio::time::timeout(whole, ask(server, settings, &question)).await {
            Ok(Ok(preview)) => preview,
            Ok(Err(reason)) => Preview::unavailable(reason),
            Err(_late) => Preview::unavailable("the server took too long"),
        }
    }
}

/// What is asked about one action.
struct Question {
    probe: Probe,
    meant: Meant,
    parameters: Vec<Bound>,
    database: String,
}

impl Question {
    fn of(action: &HeldAction) -> Result<Self, &'static str> {
        if action.protocol != postgres::PROTOCOL.name {
            return Err("only PostgreSQL's statements have one");
        }
        let connection = |name: &str| match action.connection.get(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let probe = probe(&action.text)?;
        Ok(Self {
            meant: meant(&probe, &action.units)?,
            probe,
            parameters: action
                .parameters
                .iter()
                .map(bound)
                .collect::<Option<_>>()
                .ok_or("a parameter cannot be read")?,
            database: connection("sql.database").ok_or("which database it is for is not known")?,
        })
    }
}

fn bound(parameter: &Parameter) -> Option<Bound> {
    let oid = match &parameter.declared {
        Some(declared) => shown::type_number(declared)?,
        None => 0,
    };
    let (is_binary, value) = match &parameter.value {
        ParameterValue::Null => (false, None),
        ParameterValue::Text(text) => (false, Some(Bytes::from(text.clone()))),
        ParameterValue::Bytes(digits) => (true, Some(hex::decode(digits).ok()?.into())),
        // The preview's connection would read it otherwise.
        ParameterValue::Encoded(_) | ParameterValue::Hidden(_) => return None,
    };
    Some(Bound {
        oid,
        is_binary,
        value,
    })
}

async fn ask(server: Server, settings: &Settings, question: &Question) -> Result<Preview, String> {
    if settings.password.is_some() {
        server.known().map_err(|error| error.to_string())?;
    }
    let dialed = server.dial().await;
    let (leg, tls) = dialed.map_err(|error| error.to_string())?;
    let account = Account {
        user: &settings.user,
        password: settings.password.as_ref(),
    };
    let (database, name) = (&question.database, "gateway preview");
    let login = Client::login(leg, tls.as_ref(), account, database, name, LIMITS);
    let mut client = login.await.map_err(|error| error.to_string())?;
    let asked = question.put(&mut client, settings).await;
    client.close().await;
    asked
}

impl Question {
    async fn put(&self, client: &mut Client, settings: &Settings) -> Result<Preview, String> {
        let told = |error: ClientError| in_words(&error, settings);
        client.run(&begin(settings.timeout)).await.map_err(told)?;
        let against = client
            .query(QUESTION, &self.meant.parameters(&self.probe))
            .await
            .map_err(told)?;
        if let Some(reason) = against.into_iter().flatten().flatten().next() {
            return Err(reason);
        }
        let path = Bound {
            oid: 0,
            is_binary: false,
            value: Some(self.meant.search_path().into()),
        };
        client
            .query(
                "SELECT pg_catalog.set_config('search_path', $1, true)",
                &[path],
            )
            .await
            .map_err(told)?;
        let plan = self.plan(client).await.map_err(told)?;
        let mut preview = Preview {
            estimate_rows: plan.as_deref().and_then(plan::estimate),
            ..Preview::default()
        };
        if preview.estimate_rows.is_none() {
            preview.note = Some("no estimate: the server's plan has none".to_owned());
        }
        match &self.probe.selected {
            _ if !settings.count => {}
            None => {
                let reason = "only what an UPDATE or DELETE of rows selects can be counted";
                preview.note = Some(format!("not counted: {reason}"));
            }
            Some(selected) => match self.count(client, selected).await {
                Ok(rows) => preview.counted_rows = rows,
                Err(error) => preview.note = Some(format!("not counted: {}", told(error))),
            },
        }
        Ok(preview)
    }

    /// What the server plans. A user who may only read gets that of the rows that are selected.
    async fn plan(&self, client: &mut Client) -> Result<Option<String>, ClientError> {
        client.run("SAVEPOINT whole").await?;
        let whole = client.query(&self.probe.explain, &self.parameters).await;
        let rows = match (whole, &self.probe.selected) {
            (Err(ClientError::Server { code, .. }), Some(selected)) if code == NO_PRIVILEGE => {
                client.run("ROLLBACK TO SAVEPOINT whole").await?;
                let parameters = self.parameters_of(selected);
                client.query(&selected.explain, &parameters).await?
            }
            (whole, _) => whole?,
        };
        Ok(rows.into_iter().flatten().flatten().next())
    }

    /// The parameters, with something of a known type for those that are not in it: the server could not
    /// tell theirs.
    fn parameters_of(&self, selected: &Selected) -> Vec<Bound> {
        let numbered = self.parameters.iter().zip(1..);
        let parameters =
            numbered.map(
                |(bound, number)| match selected.parameters.contains(&number) {
                    true => bound.clone(),
                    false => Bound {
                        oid: TEXT,
                        is_binary: false,
                        value: None,
                    },
                },
            );
        parameters.collect()
    }

    async fn count(
        &self,
        client: &mut Client,
        selected: &Selected,
    ) -> Result<Option<u64>, ClientError> {
        let parameters = self.parameters_of(selected);
        let rows = client.query(&selected.count, &parameters).await?;
        let number = rows.into_iter().flatten().flatten().next();
        Ok(number.and_then(|number| number.parse().ok()))
    }
}

/// Opens the transaction that all is asked in. Nothing can be written in it, nothing runs or waits
/// for long, and policies on rows end it instead of hiding rows from it that the session sees.
fn begin(timeout: Duration) -> String {
    let timeout = timeout.as_millis();
    format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
         SET LOCAL search_path = pg_catalog; \
         SET LOCAL statement_timeout = {timeout}; \
         SET LOCAL row_security = off; \
         SET LOCAL standard_conforming_strings = on; \
         SET LOCAL jit = off"
    )
}

fn in_words(error: &ClientError, settings: &Settings) -> String {
    match error {
        ClientError::Server { code, .. } if code == CANCELED => {
            format!(
                "it took longer than {}",
                duration::written(settings.timeout)
            )
        }
        error => error.to_string(),
    }
}
