//! Operations of documents become drafts that are right once their meanings are filled in.

use super::*;
use crate::service::ServiceFile;
use serde_json::json;

fn pets() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Pets", "version": "1" },
        "servers": [{ "url": "https://{host}/v1", "variables": { "host": { "default": "pets.example.com" } } }],
        "security": [{ "key": [] }],
        "paths": {
            "/pets/{petId}": {
                "parameters": [{ "$ref": "#/components/parameters/petId" }],
                "get": { "operationId": "showPet", "responses": {} },
                "put": {
                    "operationId": "updatePet",
                    "parameters": [
                        { "name": "reason", "in": "query", "required": true },
                        { "name": "trace", "in": "query" },
                        { "name": "X-Tenant", "in": "header", "required": true },
                        { "name": "api_key", "in": "header", "required": true }
                    ],
                    "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Pet" } } } },
                    "responses": { "200": { "description": "It is done." }, "4XX": {}, "default": {} }
                }
            },
            "/shops/{shop}/pets/{pet}/sell": {
                "post": { "operationId": "sell-pet", "security": [{ "token": [] }], "responses": {
                    "202": { "content": { "application/json": { "example": { "pet": "it's {sold}" } } } },
                    "409": { "content": { "application/json": { "examples": { "a": { "value": { "code": 7 } } } } } },
                    "422": { "content": { "application/json": { "example": { "a": [{ "apiKey": "x" }] } } } },
                    "4XX": { "content": { "application/json": { "example": {} } } }
                } }
            },
            "/broken": { "post": { "operationId": 7, "responses": [] } },
            "/upload/{id}": { "post": {
                "operationId": "upload",
                "requestBody": { "content": { "image/png": {} } },
                "responses": {}
            } },
            "/list": { "post": { "operationId": "create", "responses": {} } }
        },
        "components": {
            "parameters": { "petId": { "name": "petId", "in": "path", "required": true } },
            "securitySchemes": {
                "key": { "type": "apiKey", "in": "header", "name": "X-Api-Key" },
                "token": { "type": "http", "scheme": "Bearer" }
            },
            "schemas": {
                "Pet": {
                    "type": "object",
                    "required": ["name", "age", "kind", "tame", "tags", "self"],
                    "properties": {
                        "name": { "type": "string" },
                        "age": { "type": ["null", "integer"] },
                        "kind": { "const": "{cat}" },
                        "tame": { "type": "boolean" },
                        "tags": { "type": "array" },
                        "note": { "type": "string" },
                        "self": { "$ref": "#/components/schemas/Loop" }
                    }
                },
                "Loop": { "$ref": "#/components/schemas/Loop" }
            }
        }
    })
}

fn draft(operations: &[&str]) -> Draft {
    let names: Vec<String> = operations.iter().map(|&name| name.to_owned()).collect();
    from_openapi(&pets(), &names).unwrap()
}

#[test]
fn an_operation_becomes_an_action() {
    let draft = draft(&["updatePet", "sell-pet"]);
    let problems = ServiceFile::read(&draft.text).unwrap_err();
    assert!(problems.iter().all(|p| p.message.starts_with("say what")), "{problems:#?}");
    let service = ServiceFile::read(&draft.text.replace("\"?\"", "\"refused\"")).unwrap().service;
    assert_eq!(service.endpoint, "https://pets.example.com/v1");
    assert_eq!(service.about.as_deref(), Some("Pets"));
    for line in [
        "[action.update_pet]",
        "path = \"/pets/{id}\"",
        "query = { \"reason\" = \"{reason}\" }",
        "headers = { \"X-Tenant\" = \"{X-Tenant}\" }",
        "# It is done.",
        "[action.sell-pet]",
        "path = \"/shops/{shop}/pets/{id}/sell\"",
        "repeatable = false",
        "auth = \"bearer\"",
    ] {
        assert!(draft.text.contains(line), "{line}: {}", draft.text);
    }
    let body = r#"{"age":"{age:number}","kind":"{{cat}}","name":"{name}","self":"{self}","tags":[],"tame":"{tame:boolean}"}"#;
    assert!(draft.text.contains(body), "{}", draft.text);
    let notes = draft.notes.join("\n");
    assert!(notes.contains("`trace`") && notes.contains("`api_key`"), "{notes}");
}

#[test]
fn documents_and_operations_that_are_no_action_say_why() {
    let refused = |document: &Value, name: &str| {
        let error = from_openapi(document, &[name.to_owned()]).unwrap_err();
        format!("{} {}", error.message, error.hint.unwrap_or_default())
    };
    let pets = pets();
    assert!(refused(&json!({"swagger": "2.0"}), "a").contains("no OpenAPI 3"));
    assert!(refused(&Value::Null, "a").contains("no OpenAPI 3"));
    assert!(refused(&pets, "updatePets").contains("did you mean `updatePet`"));
    assert!(refused(&pets, "showPet").contains("is a GET"));
    assert!(refused(&pets, "upload").contains("no JSON"));
    assert!(refused(&pets, "create").contains("has no place"));
}

#[test]
fn a_document_without_a_server_asks_for_one() {
    let mut pets = pets();
    pets["servers"] = json!([{ "url": "/v2" }]);
    let draft = from_openapi(&pets, &["updatePet".to_owned()]).unwrap();
    assert!(draft.text.contains("endpoint = \"https://service.example.com/v2\""), "{}", draft.text);
    assert!(draft.notes.iter().any(|note| note.contains("endpoint")), "{:?}", draft.notes);
}

#[test]
fn an_address_with_a_part_that_is_not_known_is_noted_with_its_line() {
    let mut pets = pets();
    pets["servers"] = json!([{ "url": "https://{zone}.example.com" }]);
    let draft = from_openapi(&pets, &["updatePet".to_owned()]).unwrap();
    let note = "line 7 of the draft: only `{region}` may be a part of `endpoint`";
    assert!(draft.notes.iter().any(|other| other == note), "{:?}", draft.notes);
}

#[test]
fn an_example_of_the_document_is_kept_unless_it_may_hold_a_secret() {
    let draft = draft(&["sell-pet"]);
    let examples = draft.text.lines().filter(|line| line.starts_with("example"));
    let examples: Vec<&str> = examples.collect();
    assert_eq!(examples.len(), 2, "{}", draft.text);
    assert!(examples[0].starts_with("example = { status = 202, body = "), "{}", draft.text);
    assert_eq!(examples[1], r#"example = { status = 409, body = '{"code":7}' }"#);
    assert!(draft.notes.iter().any(|note| note.contains("the example of 422")), "{draft:?}");
    let means = ["done", "unauthorised", "gone", "unchanged", "refused", "throttled", "refused"];
    let filled = means.iter().fold(draft.text, |text, means| {
        text.replacen("means = \"?\"", &format!("means = \"{means}\""), 1)
    });
    let service = ServiceFile::read(&filled).unwrap().service;
    let first = service.actions[0].rules[0].example.as_ref().unwrap();
    assert_eq!(first.body, r#"{"pet":"it's {sold}"}"#);
}

#[test]
fn operations_with_names_alike_become_actions_with_names_of_their_own() {
    let draft = draft(&["updatePet", "updatePet"]);
    let named = |name: &str| draft.text.contains(&format!("[action.{name}]"));
    assert!(named("update_pet") && named("update_pet_2"), "{}", draft.text);
}
