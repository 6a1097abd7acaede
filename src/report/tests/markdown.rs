//! The report as Markdown, and that foreign text stays text in it.

use super::*;
use crate::report::markdown;

#[test]
fn a_report_shows_outcomes_failure_groups_and_next_commands() {
    insta::assert_snapshot!(markdown(&every_outcome().report()), @r#"
    ## ❌ stop: 5 of 6 tasks in 0.6s, 10/s (limit 10/s)

    Run `20240705-120000-kfzq`, began 2024-07-05T12:00:00.000Z, at `https://vias.cn-north-4.myhuaweicloud.com`, project `0123456789abcdef0123456789abcdef`.

    **Stopped** (`interrupted`): `by SIGINT`

    | outcome | tasks |
    |---|--:|
    | succeeded | 1 |
    | partial | 1 |
    | failed | 1 |
    | ambiguous | 1 |
    | unchanged | 1 |
    | not attempted | 1 |
    | **selected** | **6** |

    - Sub-tasks: 10, 9 succeeded, 1 failed
    - Calls: 6, 1 retry, 1 throttled
    - Rows: 7, 1 duplicate, 0 done already, 0 invalid
    - Paused: 1.5s, held back by the service

    ### Failures

    | | tasks | share | kind | status | cause | advice | what helps | when | for example |
    |---|--:|--:|---|---|---|---|---|---|---|
    | F1 | 1 | 33% | service | 200 | `some sub-tasks failed` `camera cam-1: no licence` |  | remove the cause, then send again | 2024-07-05 12:00:00 UTC | `gate-south` |
    | F2 | 1 | 33% | refused | 500 | `VIAS.00010012` `This operation is not allowed.` `The task is being deleted.` | `Wait until it is gone.` | follow the advice, then send again | 2024-07-05 12:00:00 UTC | `dock-1` |
    | F3 | 1 | 33% | timeout |  | `no answer in 60 s` |  | sending again may help | 2024-07-05 12:00:00 UTC | `dock-2` |

    ```sh
    batchctl resume 20240705-120000-kfzq                  # goes on with the rest
    batchctl report 20240705-120000-kfzq -o results.csv   # every task's outcome
    batchctl report 20240705-120000-kfzq --json           # every cause of failure
    batchctl retry 20240705-120000-kfzq --group F1        # the most frequent cause alone, once it is gone
    ```
    "#);
}

#[test]
fn a_run_in_which_all_is_well_is_short() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, counted(0, 4), Outcome::Succeeded);
    run.end(None);
    insta::assert_snapshot!(markdown(&run.report()), @r#"
    ## ✅ stop: 1 task in 0.1s (limit 10/s)

    Run `20240705-120000-kfzq`, began 2024-07-05T12:00:00.000Z, at `https://vias.cn-north-4.myhuaweicloud.com`, project `0123456789abcdef0123456789abcdef`.

    | outcome | tasks |
    |---|--:|
    | succeeded | 1 |
    | **selected** | **1** |

    - Sub-tasks: 4, 4 succeeded, 0 failed
    - Calls: 1, 0 retries, 0 throttled
    - Paused: 1.5s, held back by the service

    ```sh
    batchctl report 20240705-120000-kfzq -o results.csv   # every task's outcome
    ```
    "#);
}

#[test]
fn a_text_of_the_service_is_one_cell_of_the_table() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, refused("a|b\n\n# @all `x` <img src=//evil>"), Outcome::Failed);
    run.end(None);
    let text = markdown(&run.report());
    let row = text.lines().find(|line| line.starts_with("| F1 | 1 | 100% | refused |")).unwrap();
    assert_eq!(row.matches('|').count(), 11, "{row}");
    for mark in ['<', '@', '#'] {
        let outside = row.split("<code>").map(|part| part.split("</code>").last().unwrap());
        assert!(!outside.collect::<String>().contains(mark), "{row}");
    }
}
