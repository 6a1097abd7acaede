//! report.json: its fields, and that it is the same whenever it is asked for.

use super::*;
use crate::report::write_json;

fn document(report: &Report) -> String {
    let mut text = Vec::new();
    write_json(report, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_report_has_every_field_in_the_order_of_the_documentation() {
    insta::assert_snapshot!(document(&every_outcome().report()), @r#"
    {
      "schema_version": 1,
      "run": {
        "id": "20240705-120000-kfzq",
        "parent": null,
        "job": null,
        "reason": null,
        "command": "stop",
        "started_at": "2024-07-05T12:00:00.000Z",
        "finished_at": "2024-07-05T12:00:00.600Z",
        "duration_ms": 600,
        "complete": false,
        "outstanding": 4
      },
      "target": {
        "endpoint": "https://vias.cn-north-4.myhuaweicloud.com",
        "project_id": "0123456789abcdef0123456789abcdef"
      },
      "input": {
        "sources": [
          "cameras.csv"
        ],
        "rows": 7,
        "selected": 6,
        "duplicates": 1,
        "already_done": 0,
        "invalid": 0
      },
      "settings": {
        "canary": null,
        "concurrency": 16,
        "connect_timeout_ms": 5000,
        "drain_timeout_ms": 30000,
        "finish_by": null,
        "max_attempts": 4,
        "max_duration_ms": 5000,
        "max_failures": "25%",
        "on_doubt": "retry",
        "on_unknown": "fail",
        "outage_timeout_ms": 600000,
        "ramp_ms": null,
        "rate": "10/s",
        "rate_max": null,
        "rate_min": null,
        "sandbox": false,
        "skip_unchanged": false,
        "timeout_ms": 60000,
        "wait_ms": null
      },
      "tasks": {
        "selected": 6,
        "succeeded": 1,
        "partial": 1,
        "failed": 1,
        "ambiguous": 1,
        "unchanged": 1,
        "not_attempted": 1
      },
      "counts": {
        "total_count": 10,
        "failed_count": 1,
        "succeed_count": 9
      },
      "calls": {
        "attempts": 6,
        "retries": 1,
        "throttled": 1,
        "by_status": {
          "200": 3,
          "429": 1,
          "500": 1,
          "none": 1
        },
        "pages": 0
      },
      "arrivals": {
        "verified": 0,
        "unverified": 2
      },
      "latency_ms": {
        "min": 17.0,
        "p50": 17.0,
        "p90": 17.0,
        "p99": 17.0,
        "max": 17.0
      },
      "pace": {
        "rate_limit": 10.0,
        "rate_average": 10.0,
        "rate_peak_1s": 6,
        "paused_ms": 1500,
        "rate_learnt": null
      },
      "failures": [
        {
          "kind": "service",
          "http_status": 200,
          "error_code": null,
          "error_msg": "some sub-tasks failed",
          "count": 1,
          "retryable": false,
          "examples": [
            "gate-south"
          ],
          "sub_task_error": "camera cam-1: no licence",
          "reason": null,
          "advice": null,
          "label": "F1",
          "message_template": "some sub-tasks failed",
          "share": 0.3333,
          "first_at": "2024-07-05T12:00:00.200Z",
          "last_at": "2024-07-05T12:00:00.200Z",
          "retry_command": "batchctl retry 20240705-120000-kfzq --group F1"
        },
        {
          "kind": "refused",
          "http_status": 500,
          "error_code": "VIAS.00010012",
          "error_msg": "This operation is not allowed.",
          "count": 1,
          "retryable": false,
          "examples": [
            "dock-1"
          ],
          "sub_task_error": null,
          "reason": "The task is being deleted.",
          "advice": "Wait until it is gone.",
          "label": "F2",
          "message_template": "This operation is not allowed.",
          "share": 0.3333,
          "first_at": "2024-07-05T12:00:00.300Z",
          "last_at": "2024-07-05T12:00:00.300Z",
          "retry_command": "batchctl retry 20240705-120000-kfzq --group F2"
        },
        {
          "kind": "timeout",
          "http_status": null,
          "error_code": null,
          "error_msg": "no answer in 60 s",
          "count": 1,
          "retryable": true,
          "examples": [
            "dock-2"
          ],
          "sub_task_error": null,
          "reason": null,
          "advice": null,
          "label": "F3",
          "message_template": "no answer in 60 s",
          "share": 0.3333,
          "first_at": "2024-07-05T12:00:00.500Z",
          "last_at": "2024-07-05T12:00:00.500Z",
          "retry_command": "batchctl retry 20240705-120000-kfzq --group F3"
        }
      ],
      "advice": [],
      "changes": [],
      "stopped": {
        "reason": "interrupted",
        "detail": "by SIGINT"
      },
      "exit": {
        "code": 130,
        "name": "interrupted"
      }
    }
    "#);
}

#[test]
fn what_is_not_known_is_null() {
    let report = Report::read(&TestRun::with_tasks(1).reader(), StillRunning::Yes).unwrap();
    let json: serde_json::Value = serde_json::from_str(&document(&report)).unwrap();
    for path in ["/run/started_at", "/latency_ms/p99", "/pace/rate_average", "/stopped", "/exit"] {
        assert_eq!(json.pointer(path), Some(&serde_json::Value::Null), "{path}");
    }
}
