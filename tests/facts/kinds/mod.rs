//! What expressions over masked columns are believed to be, and not to tell, against what a server makes of them.
//!
//! Expressions are put together of all functions, operators and casts that may ask nothing of what they are
//! given, over columns of many types with values that things fail for (`universe`). Where the gateway says that
//! nothing is asked, the server must run it over all rows, and whether the result is NULL must depend on
//! whether what it is made of is, and on nothing else. Where it claims a type, it must be that.

mod catalog;
mod expressions;
mod universe;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use gateway_core::glob::Glob;
use gateway_core::ids::MaskName;
use gateway_core::mask::{Kind, Mask, MaskKey, MaskSet, Otherwise, Selector};
use gateway_core::sql::postgres::Session;
use gateway_core::sql::postgres::lineage::Masked;
use gateway_core::sql::postgres::lineage::edition::Edition;
use gateway_tests::postgres::{Options, Postgres};
use tokio_postgres::{Client, NoTls};

use self::expressions::{Chance, Expression};

/// Expressions that are tried in one go.
const BATCH: usize = 500;

/// How many expressions are made of others.
const NESTED: usize = 5_000;

/// What is NULL by the shape of an array, row or document, which masks leave.
const SHAPES: [&str; 10] = [
    "array_dims",
    "array_length",
    "array_lower",
    "array_ndims",
    "array_upper",
    "extract_path",
    "->",
    "#>",
    "[",
    ").b",
];

/// What is NULL, or fails, for dates and times that are infinite or far away.
const NEAR: [&str; 4] = ["to_char", "date_part", "date_trunc", "extract("];

/// What the server did with an expression.
#[derive(Debug)]
struct Ran {
    /// `static` if it does not run whatever the rows hold, `failed`, or `ran`.
    what: String,
    /// How it failed, or of what type it is.
    of: String,
    /// Whether it is NULL by more than what it is made of.
    tells: bool,
}

#[test]
fn what_asks_nothing_tells_nothing() -> Result<()> {
    let postgres = Postgres::start(&Options {
        log_statements: false,
        ..Options::default()
    })?;
    postgres.admin("ALTER ROLE app_trust SUPERUSER")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let summary = runtime.block_on(all_hold(&postgres))?;
    eprintln!("{summary}");
    Ok(())
}

async fn all_hold(postgres: &Postgres) -> Result<String> {
    let conninfo = postgres.conninfo("127.0.0.1", "app_trust");
    let (client, connection) = tokio_postgres::connect(&conninfo, NoTls).await?;
    tokio::spawn(connection);
    let newer = postgres.version()? >= 17;
    client
        .batch_execute(&universe::schema(newer))
        .await
        .context("the universe")?;
    let masked = masked(catalog::read(&client).await?);
    let mut chance = Chance::new();
    let first = expressions::plain(&mut chance);
    let mut wrongs = Vec::new();
    let (tried, spared) = judge(&client, &masked, &first, &mut wrongs).await?;
    let nested = expressions::nested(&spared, NESTED, &mut chance);
    let (more, deeper) = judge(&client, &masked, &nested, &mut wrongs).await?;
    if spared.len() < 1_000 || deeper.len() < 500 {
        bail!("too little is spared for this to mean anything");
    }
    if !wrongs.is_empty() {
        bail!("{} are wrong:\n{}", wrongs.len(), wrongs.join("\n"));
    }
    Ok(format!(
        "{} expressions, {} of them ask nothing and run; {} nested, {}; {tried} and {more} tried",
        first.len(),
        spared.len(),
        nested.len(),
        deeper.len()
    ))
}

/// Everything in the table is masked, but for the number of the row.
fn masked(catalog: gateway_core::sql::postgres::lineage::catalog::Catalog) -> Arc<Masked> {
    let mask = Mask {
        name: MaskName::new("all"),
        selector: Selector {
            columns: vec![Glob::new("public.kinds.c_*")],
            types: vec![],
        },
        kind: Kind::Full,
        json: vec![],
        otherwise: Otherwise::Null,
        within: None,
    };
    Arc::new(Masked::new(
        Arc::new(catalog),
        Arc::new(MaskSet::new(vec![Arc::new(mask)])),
        MaskKey::new([7; 32].to_vec()),
        Edition::default(),
    ))
}

/// Tries those that ask nothing. How many those are, and the ones that the server runs.
async fn judge(
    client: &Client,
    masked: &Arc<Masked>,
    expressions: &[Expression],
    wrongs: &mut Vec<String>,
) -> Result<(usize, Vec<Expression>)> {
    let session = Session::default();
    let mut silent = Vec::new();
    for expression in expressions {
        let text = format!("SELECT {} FROM kinds", expression.text);
        let trace = masked.trace(text.as_bytes(), &session);
        let [statement] = &*trace.statements else {
            bail!("not one statement: {text}");
        };
        if statement.probed.is_empty() && statement.copied.is_empty() {
            let types = masked.types(&text, &session);
            let ty = types.first().and_then(|types| types.first()).copied();
            silent.push((expression, ty.unwrap_or(0)));
        }
    }
    let mut spared = Vec::new();
    for batch in silent.chunks(BATCH) {
        let texts: Vec<&str> = batch.iter().map(|(it, _)| &*it.text).collect();
        let columns: Vec<String> = batch.iter().map(|(it, _)| it.columns.join(", ")).collect();
        let near = |text: &&str| NEAR.iter().any(|word| text.contains(word));
        let near: Vec<bool> = texts.iter().map(near).collect();
        let rows = client
            .query(
                "SELECT what, described, tells FROM tried($1, $2, $3)",
                &[&texts, &columns, &near],
            )
            .await?;
        for ((expression, claimed), row) in batch.iter().zip(rows) {
            let ran = Ran {
                what: row.get(0),
                of: row.get(1),
                tells: row.get(2),
            };
            match wrong(&expression.text, *claimed, &ran) {
                Some(complaint) => wrongs.push(format!("{}: {complaint}", expression.text)),
                None if ran.what == "ran" => spared.push((*expression).clone()),
                None => {}
            }
        }
    }
    Ok((silent.len(), spared))
}

fn wrong(text: &str, claimed: u32, ran: &Ran) -> Option<String> {
    let by_shape = SHAPES.iter().any(|word| text.contains(word));
    match &*ran.what {
        "static" => None,
        "ran" if claimed != 0 && claimed.to_string() != ran.of => {
            Some(format!("is of type {}, not {claimed}", ran.of))
        }
        "ran" if ran.tells && !by_shape => Some("is NULL by a value".to_owned()),
        "ran" => None,
        _ => Some(ran.of.clone()),
    }
}
