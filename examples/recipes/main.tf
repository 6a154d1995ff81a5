# Tickstream from Terraform: the generated template is a CloudFormation stack among the other resources.
#   terraform init && terraform apply -var code_bucket="$CODE_BUCKET" -var code_prefix="$prefix"

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "code_bucket" { type = string }
variable "code_prefix" { type = string }

data "aws_s3_bucket" "code" { bucket = var.code_bucket }

# It is larger than CloudFormation accepts inline.
resource "aws_s3_object" "template" {
  bucket      = var.code_bucket
  key         = "${var.code_prefix}/market-analytics-dev.json"
  source      = "${path.module}/../../templates/market-analytics-dev.json"
  source_hash = filemd5("${path.module}/../../templates/market-analytics-dev.json")
}

resource "aws_cloudformation_stack" "market_analytics" {
  name         = "market-analytics-dev"
  template_url = "https://${data.aws_s3_bucket.code.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_NAMED_IAM"]
  parameters   = { CodeBucket = var.code_bucket, CodePrefix = var.code_prefix }
}

output "api_url" { value = aws_cloudformation_stack.market_analytics.outputs["apiUrl"] }
