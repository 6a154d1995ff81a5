"""CloudFormation resources that LocalStack's free edition lacks."""
