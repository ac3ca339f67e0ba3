// SPDX-License-Identifier: GPL-2.0-only
/*
 * venus_map NUMBER: that many 4 MiB Vulkan buffers in host-visible memory, all
 * mapped at once. The GPU fills them and the CPU reads every word; then the CPU
 * writes them, the GPU copies, and the CPU reads the copy.
 */
#include <vulkan/vulkan.h>

#include "check.h"

static VkPhysicalDevice physical;
static VkDevice device;
static VkQueue queue;
static VkCommandBuffer commands;

struct buffer {
	VkBuffer buffer;
	VkDeviceMemory memory;
	uint32_t *map;
};

static struct buffer buffers[MAX_BUFFERS];

static void must(VkResult result, const char *what)
{
	if (result == VK_SUCCESS)
		return;
	fprintf(stderr, "%s: %d\n", what, result);
	exit(1);
}

static void open_device(void)
{
	VkApplicationInfo app = {
		.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
		.apiVersion = VK_API_VERSION_1_1,
	};
	VkInstanceCreateInfo instance_info = {
		.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
		.pApplicationInfo = &app,
	};
	float priority = 1;
	VkDeviceQueueCreateInfo queue_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
		.queueCount = 1,
		.pQueuePriorities = &priority,
	};
	VkDeviceCreateInfo device_info = {
		.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
		.queueCreateInfoCount = 1,
		.pQueueCreateInfos = &queue_info,
	};
	VkCommandPoolCreateInfo pool_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
	};
	VkCommandBufferAllocateInfo commands_info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
		.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
		.commandBufferCount = 1,
	};
	VkPhysicalDeviceProperties properties;
	VkInstance instance;
	uint32_t count = 1;

	must(vkCreateInstance(&instance_info, NULL, &instance), "instance");
	if (vkEnumeratePhysicalDevices(instance, &count, &physical) < 0 ||
	    !count) {
		fprintf(stderr, "no Vulkan device\n");
		exit(1);
	}
	vkGetPhysicalDeviceProperties(physical, &properties);
	printf("device: %s\n", properties.deviceName);
	must(vkCreateDevice(physical, &device_info, NULL, &device), "device");
	vkGetDeviceQueue(device, 0, 0, &queue);
	must(vkCreateCommandPool(device, &pool_info, NULL,
				 &commands_info.commandPool),
	     "command pool");
	must(vkAllocateCommandBuffers(device, &commands_info, &commands),
	     "command buffer");
}

static uint32_t memory_type(uint32_t usable)
{
	const VkMemoryPropertyFlags wanted =
		VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
		VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
	VkPhysicalDeviceMemoryProperties properties;

	vkGetPhysicalDeviceMemoryProperties(physical, &properties);
	for (uint32_t i = 0; i < properties.memoryTypeCount; i++)
		if (usable & 1u << i &&
		    (properties.memoryTypes[i].propertyFlags & wanted) ==
			    wanted)
			return i;
	fprintf(stderr, "no host-visible memory\n");
	exit(1);
}

static VkResult make(struct buffer *buffer)
{
	VkBufferCreateInfo buffer_info = {
		.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
		.size = BUFFER_SIZE,
		.usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT |
			 VK_BUFFER_USAGE_TRANSFER_SRC_BIT,
	};
	VkMemoryAllocateInfo allocate_info = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
	};
	VkMemoryRequirements needs;
	VkResult result;

	must(vkCreateBuffer(device, &buffer_info, NULL, &buffer->buffer),
	     "buffer");
	vkGetBufferMemoryRequirements(device, buffer->buffer, &needs);
	allocate_info.allocationSize = needs.size;
	allocate_info.memoryTypeIndex = memory_type(needs.memoryTypeBits);
	result =
		vkAllocateMemory(device, &allocate_info, NULL, &buffer->memory);
	if (result == VK_SUCCESS)
		result = vkMapMemory(device, buffer->memory, 0, VK_WHOLE_SIZE,
				     0, (void **)&buffer->map);
	if (result == VK_SUCCESS)
		must(vkBindBufferMemory(device, buffer->buffer, buffer->memory,
					0),
		     "bind");
	return result;
}

static void begin(void)
{
	VkCommandBufferBeginInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
	};

	must(vkBeginCommandBuffer(commands, &info), "begin");
}

static void finish(void)
{
	VkMemoryBarrier barrier = {
		.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
		.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
		.dstAccessMask = VK_ACCESS_HOST_READ_BIT,
	};
	VkSubmitInfo submit = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
		.commandBufferCount = 1,
		.pCommandBuffers = &commands,
	};

	vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
			     VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0,
			     NULL, 0, NULL);
	must(vkEndCommandBuffer(commands), "end");
	must(vkQueueSubmit(queue, 1, &submit, VK_NULL_HANDLE), "submit");
	must(vkQueueWaitIdle(queue), "wait");
}

static uint32_t *map_of(unsigned int buffer)
{
	return buffers[buffer].map;
}

static unsigned long gpu_to_cpu(unsigned int count)
{
	begin();
	for (unsigned int i = 0; i < count; i++)
		vkCmdFillBuffer(commands, buffers[i].buffer, 0, VK_WHOLE_SIZE,
				gpu_word(i));
	finish();
	return wrong_buffers(0, count, gpu_word);
}

/* The second half of the buffers are copies of the first, made by the GPU. */
static unsigned long cpu_to_gpu(unsigned int count)
{
	VkBufferCopy all = { .size = BUFFER_SIZE };

	for (unsigned int i = 0; i < count / 2; i++)
		fill_words(buffers[i].map, cpu_word(i));
	begin();
	for (unsigned int i = 0; i < count / 2; i++)
		vkCmdCopyBuffer(commands, buffers[i].buffer,
				buffers[count / 2 + i].buffer, 1, &all);
	finish();
	return wrong_buffers(count / 2, count / 2, cpu_word);
}

int main(int argc, char **argv)
{
	unsigned int wanted = wanted_buffers(argc, argv), count;
	unsigned long wrong_gpu = 0, wrong_cpu = 0;
	VkResult result = VK_SUCCESS;

	open_device();
	for (count = 0; count < wanted; count++) {
		result = make(&buffers[count]);
		if (result != VK_SUCCESS)
			break;
	}
	/* In a window that is full the driver itself has no room to work. */
	if (count == wanted) {
		wrong_gpu = gpu_to_cpu(count);
		wrong_cpu = cpu_to_gpu(count);
	}
	show_buffers(count, wanted, count == wanted);
	return report(count, result, wrong_gpu, wrong_cpu);
}
