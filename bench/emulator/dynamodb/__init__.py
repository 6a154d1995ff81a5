"""DynamoDB in process: moto's, with DynamoDB's limits, exact numbers and billed units. Knows no fault."""
