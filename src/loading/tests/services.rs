//! Runs at another service than VIAS: what they keep, and what no plan accepts.

use crate::input::CommandSource;
use crate::loading::{NewPlan, PlannedRun, ServicePlan, plan_run};
use crate::plan::ServiceRows;
use crate::service::{CallScope, ServiceFile};
use crate::store::NewRun;
use crate::store::tests::{Fixture, claim, new_plan, new_run};
use crate::task::{Repetition, Task};
use std::sync::Arc;

/// A file of a service, and the plan of ids for its only action.
fn service_plan(table: &str) -> NewPlan {
    let file = "format = 1\nendpoint = 'https://shop.example.com'\nauth = 'none'\n\
                answer = [{ status = '200..299', means = 'done' }]\n\
                [action.pay]\nmethod = 'POST'\npath = '/things/{id}'\nbody = '{\"note\":\"{note}\"}'\n";
    let service = Arc::new(ServiceFile::read(file).unwrap().service);
    let pay = service.actions[0].command();
    let rows = ServiceRows::new(service, CallScope::default());
    let mut plan =
        NewPlan { service: Some(ServicePlan::of("shop", file, rows)), ..new_plan(&[table]) };
    plan.options.command = CommandSource::Fixed(pay);
    plan.options.rules = plan.service.as_ref().map(|service| service.rows.rules());
    plan
}

#[test]
fn a_run_at_another_service_keeps_its_file_and_hands_its_cells_out() {
    let fixture = Fixture::empty();
    let plan = service_plan("id,note\n42,hello\nA.b,\"a \"\"b\"\"\"\n");
    let service = plan.service.as_ref().map(|service| service.record.clone());
    let run = NewRun { service: service.clone(), ..new_run() };
    let planned = plan_run(&fixture.runs, &run, plan, "tests").unwrap();
    assert!(matches!(planned, PlannedRun::Ready { .. }));
    drop(planned);
    assert_eq!(fixture.reader().record().unwrap().run.service, service);
    let writer = fixture.writer();
    let tasks: Vec<_> = claim(&writer, 10).into_iter().map(|task| task.task).collect();
    let shown = |task: &Task| {
        let cells = task.cells.as_ref().unwrap();
        (task.id.to_string(), task.command.repetition(), cells.json.as_deref().map(str::to_owned))
    };
    let expected = |id: &str, cells: &str| (id.into(), Repetition::Harmful, Some(cells.into()));
    let both = [expected("42", r#"["hello"]"#), expected("A.b", r#"["a \"b\""]"#)];
    assert_eq!(tasks.iter().map(shown).collect::<Vec<_>>(), both);
}

#[test]
fn a_program_that_knows_vias_alone_would_refuse_a_run_at_another_service() {
    let fixture = Fixture::empty();
    let plan = service_plan("id,note\n42,hello\n");
    let service = plan.service.as_ref().map(|service| service.record.clone());
    let run = NewRun { service, ..new_run() };
    drop(plan_run(&fixture.runs, &run, plan, "tests").unwrap());
    let connection = rusqlite::Connection::open(fixture.runs.file(&run.id)).unwrap();
    let head: String = connection.query_row("SELECT head FROM run", [], |row| row.get(0)).unwrap();
    let head: serde_json::Value = serde_json::from_str(&head).unwrap();
    assert_eq!(head["encoding"], 5);
    assert_eq!(head["service"]["actions"], serde_json::json!(["pay"]));
}

#[test]
fn values_that_cannot_be_sent_are_problems_with_their_places() {
    let refused = |table: &str| {
        let fixture = Fixture::empty();
        let plan = service_plan(table);
        match plan_run(&fixture.runs, &new_run(), plan, "tests").unwrap() {
            PlannedRun::Ready { .. } => Vec::new(),
            PlannedRun::Refused(problems) => {
                problems.shown.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
        }
    };
    let empty = "in1:3:4: `note` cannot stand in the body: the cell is empty";
    let [problem] = &refused("id,note\n41,x\n42,\n")[..] else { panic!("one problem") };
    assert!(problem.starts_with(empty), "{problem}");
    let [problem] = &refused("id,note\n41,x\n42,\"a\nb\"\n")[..] else { panic!("one problem") };
    assert!(problem.starts_with("in1:3:4: `note` cannot stand in the body: it has a line break"));
    let [problem] = &refused("id,other\n41,x\n42,\n")[..] else { panic!("one for the source") };
    assert!(problem.starts_with("in1:1: `note` cannot stand in the body: there is no such column"));
    let [problem] = &refused("id,note\n\"4 2\",x\n")[..] else { panic!("one problem") };
    assert!(problem.starts_with("in1:2:1: `4 2` is not an id: it does not match"), "{problem}");
}
