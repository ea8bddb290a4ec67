use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatchReader};
use arrow_schema::DataType;
use lodestore::{ErrorKind, NdArray, Projection, Tier, Uuid, row};

use crate::Project;

#[test]
fn every_type_has_its_counterpart() {
    let project = Project::new();
    let definition = "id : int8\n---\nweight = null : float32\nalive = null : bool\nword = null : varchar(9)\n\
                      day = null : date\nmoment = null : datetime(3)\nprice = null : decimal(6,2)\ntag = null : uuid\n\
                      raw = null : bytes\nmeta = null : json\ntrace = null : <blob>\nplace = null : <npy@>";
    let table = project.lab.declare("Everything", Tier::Manual, definition).unwrap();
    table
        .insert([
            row! {
                "id" => 1, "weight" => 0.5, "alive" => true, "word" => "é", "day" => "1970-01-02",
                "moment" => "1970-01-01 00:00:01.5", "price" => "-1.5", "tag" => Uuid::from_u128(1),
                "raw" => vec![0u8, 255], "meta" => serde_json::json!({"a": 1}),
                "trace" => NdArray::from_f64(&[1.0, 2.0]), "place" => NdArray::from_f64(&[1.0]),
            },
            row! { "id" => 2 },
        ])
        .unwrap();
    let batch = table.fetch_columns().unwrap().to_record_batch().unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (2, 12));
    let schema = batch.schema();
    assert!(!schema.field(0).is_nullable() && schema.field(1).is_nullable());
    assert_eq!(schema.field_with_name("tag").unwrap().metadata()["ARROW:extension:name"], "arrow.uuid");
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("id").as_primitive::<Int64Type>().values(), &[1, 2]);
    assert_eq!(column("weight").as_primitive::<Float64Type>().value(0), 0.5);
    assert!(column("alive").as_boolean().value(0));
    assert_eq!(column("word").as_string::<i32>().value(0), "é");
    assert_eq!(column("day").as_primitive::<Date32Type>().value(0), 1);
    assert_eq!(column("moment").as_primitive::<TimestampMicrosecondType>().value(0), 1_500_000);
    assert_eq!(column("price").as_primitive::<Decimal128Type>().value(0), -150);
    assert_eq!(column("price").data_type(), &DataType::Decimal128(6, 2));
    assert_eq!(column("tag").as_fixed_size_binary().value(0), Uuid::from_u128(1).as_bytes());
    assert_eq!(column("raw").as_binary::<i32>().value(0), [0, 255]);
    assert_eq!(column("meta").as_string::<i32>().value(0), "{\"a\":1}");
    assert_eq!(column("trace").as_list::<i32>().value(0).as_primitive::<Float64Type>().values(), &[1.0, 2.0]);
    assert!(column("place").as_string::<i32>().value(0).ends_with(".npy"));
    for name in ["weight", "word", "day", "price", "tag", "raw", "meta", "trace", "place"] {
        assert_eq!((column(name).null_count(), column(name).is_null(1)), (1, true), "{name}");
    }
}

#[test]
fn streams_have_one_schema() {
    let project = Project::new();
    let table = project.lab.declare("Count", Tier::Manual, "n : int32\n---\nhalf = null : float64").unwrap();
    table.insert((0..1000i64).map(|n| row! { "n" => n, "half" => (n > 500).then_some(n as f64 / 2.0) })).unwrap();
    let batches = table.stream(300).unwrap().into_record_batches().unwrap();
    let schema = batches.schema();
    let sizes: Vec<usize> = batches
        .map(|batch| {
            let batch = batch.unwrap();
            assert_eq!(batch.schema(), schema);
            batch.num_rows()
        })
        .collect();
    assert_eq!(sizes, [300, 300, 300, 100]);
    // The type of a computed column is known when all its values are.
    let computed = table.project_with(&Projection::default().with("x", "half * 2")).unwrap();
    let batches = computed.stream(300).unwrap().into_record_batches().unwrap();
    assert_eq!(batches.schema().field(1).data_type(), &DataType::Float64);
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).collect::<Vec<_>>(), [1000]);
    let empty = table.restrict(false).unwrap().stream(300).unwrap().into_record_batches().unwrap();
    assert_eq!(empty.schema().field(1).data_type(), &DataType::Float64);
}

#[test]
fn what_arrow_cannot_hold_is_told() {
    let project = Project::new();
    let table = project.lab.declare("Thing", Tier::Manual, "id : int8\n---\ndata : <blob>").unwrap();
    table.insert([row! { "id" => 1, "data" => "text" }, row! { "id" => 2, "data" => 5 }]).unwrap();
    let error = table.fetch_columns().unwrap().to_record_batch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("`data`") && error.hint().is_some(), "{error:?}");
}
