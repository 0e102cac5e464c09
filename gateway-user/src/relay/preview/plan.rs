//! The planner's estimate, out of `EXPLAIN (FORMAT JSON)`
//! (<https://www.postgresql.org/docs/current/sql-explain.html>).

use serde_json::Value;

/// Deepest chain of nodes that only pass on what a node below finds.
const DEPTH: usize = 64;

/// The rows that the statement is expected to return or change.
pub(super) fn estimate(json: &str) -> Option<u64> {
    let plans: Value = serde_json::from_str(json).ok()?;
    rows(plans.get(0)?.get("Plan")?, DEPTH)
}

fn rows(node: &Value, depth: usize) -> Option<u64> {
    // What changes rows returns none, and says so; what it changes comes from below.
    let changes = node.get("Node Type")?.as_str()? == "ModifyTable";
    if !changes {
        // Whole numbers, but for the loops of later versions.
        let rows = node.get("Plan Rows")?;
        return rows.as_u64().or_else(|| whole(rows.as_f64()?));
    }
    let depth = depth.checked_sub(1)?;
    let below = node.get("Plans")?.as_array()?.iter();
    let is_source = |node: &&Value| {
        let relation = node.get("Parent Relationship");
        // Not what is looked up beside it.
        !matches!(
            relation.and_then(Value::as_str),
            Some("InitPlan" | "SubPlan")
        )
    };
    let mut total: Option<u64> = None;
    for node in below.filter(is_source) {
        total = Some(total.unwrap_or(0).saturating_add(rows(node, depth)?));
    }
    total
}

fn whole(number: f64) -> Option<u64> {
    // By its digits: there is no checked conversion.
    format!("{:.0}", number.round()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::estimate;

    #[track_caller]
    fn check(plan: &str, expected: Option<u64>) {
        assert_eq!(estimate(&format!("[{{\"Plan\": {plan}}}]")), expected);
    }

    #[test]
    fn rows_come_from_what_selects_them() {
        check(r#"{"Node Type": "Seq Scan", "Plan Rows": 120}"#, Some(120));
        check(r#"{"Node Type": "Seq Scan", "Plan Rows": 1e3}"#, Some(1000));
        check(
            r#"{"Node Type": "ModifyTable", "Plan Rows": 0, "Plans": [
                {"Node Type": "Result", "Parent Relationship": "InitPlan", "Plan Rows": 5},
                {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 7},
                {"Node Type": "Seq Scan", "Parent Relationship": "Member", "Plan Rows": 8}]}"#,
            Some(15),
        );
        check(r#"{"Node Type": "ModifyTable", "Plan Rows": 0}"#, None);
        check(r#"{"Node Type": "Seq Scan"}"#, None);
        check("1", None);
        assert_eq!(estimate("nonsense"), None);
    }
}
